"""Reach a container of Azure's blob service, or of a server that speaks as it does.

Azure's own ETags say nothing about content. Here an ETag is the MD5 that a blob carries, or, for
one that was sent in parts, what S3 would call it, kept as metadata; a blob without either has
Azure's, as the site's uploads in parts do.
"""

import base64
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import NamedTuple

from slipway.dsn_az import AzDsn
from slipway.objects import azure_listing, keys, shards, times
from slipway.objects.azure_requests import NOTHING, Requests
from slipway.objects.bucket import ChangedError, DamagedError, Download, Meta, ObjectError
from slipway.objects.listing import Object, Page, Part, Unfinished, joined
from slipway.objects.pool import Counter, Pooled
from slipway.objects.shards import Listing, Order, sharded
from slipway.objects.wire import Answer

CHUNK = 8 * 1024 * 1024
AT_ONCE = 16
FATAL = {401, 403}
AGAIN = "run it again"
COPY_SECONDS = 60
ETAG = azure_listing.ETAG


class Upload(NamedTuple):
    """Hold what the identity of an upload in parts stands for: Azure keeps nothing of it."""

    token: str
    meta: Meta

    @classmethod
    def read(cls, identity: str) -> "Upload":
        """Read an identity; that of another storage, which there was before, names no part."""
        try:
            token, *meta = json.loads(base64.urlsafe_b64decode(identity))
            return cls(token, Meta(*meta))
        except (ValueError, TypeError):
            return cls("", Meta(""))

    @property
    def identity(self) -> str:
        """Return it as one word."""
        return base64.urlsafe_b64encode(json.dumps([self.token, *self.meta]).encode()).decode()

    def block(self, number: int, md5: str) -> str:
        """Return the name of a part; all names have one length."""
        return base64.b64encode(f"{self.token}-{number:05}-{md5}".encode()).decode()


class AzureBucket(Pooled):
    """Reach a container with the credential of a DSN."""

    def __init__(self, dsn: AzDsn) -> None:
        self._dsn = dsn
        self._api = Requests(dsn, Counter())
        super().__init__(self._api.pool)
        self._folder = f"{dsn.prefix}/" if dsn.prefix else ""

    @property
    def label(self) -> str:
        """Name the container, and its folder, for people."""
        return f"{self._dsn.container}/{self._folder}".rstrip("/")

    def refuses(self, name: str) -> str:
        """Say why a name cannot be sent unchanged, or return an empty text."""
        # Azure drops it, and would write another blob.
        if any(part.endswith(".") for part in name.split("/")):
            return "its name, or a folder's, ends with a dot"
        return keys.problem(self._folder + name)

    def listing(self, seeds: Sequence[str] | None = ()) -> Listing:
        """List every blob under the prefix; raises StorageError, Disordered.

        A page of 5,000 names the next one: names to begin at are of no use. None sorts here.
        """
        return sharded(self._page, None if seeds is None else ())

    def put(self, name: str, body: bytes, meta: Meta, md5: bytes) -> str:
        """Write a blob, compared with `md5` on arrival; return its ETag."""
        headers = {"x-ms-blob-type": "BlockBlob", "content-md5": _base64(md5)}
        headers |= _headers(meta, self._dsn)
        self._good(name, self._send("PUT", name, headers=headers, body=body))
        return md5.hex()

    def begin(self, name: str, meta: Meta) -> str:
        """Begin an upload in parts and return its identity; Azure need not be told."""
        del name
        return Upload(secrets.token_hex(4), meta).identity

    def put_part(self, name: str, upload: str, number: int, body: bytes, md5: bytes) -> str:
        """Write part `number` (from 1), compared with `md5` on arrival; return its ETag."""
        query = {"comp": "block", "blockid": Upload.read(upload).block(number, md5.hex())}
        headers = {"content-md5": _base64(md5)}
        self._good(name, self._send("PUT", name, query, headers, body))
        return md5.hex()

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that have arrived; none where the upload is not known any more."""
        answer = self._send("GET", name, {"comp": "blocklist", "blocklisttype": "uncommitted"})
        if answer.status == 404:
            return {}
        blocks = azure_listing.blocks(self._good(name, answer).text)
        token = Upload.read(upload).token
        return {n: Part(size, md5) for of, n, md5, size in blocks if of == token}

    def complete(self, name: str, upload: str, parts: Sequence[str]) -> str:
        """Make a blob of the parts with these ETags and return its ETag."""
        known = Upload.read(upload)
        blocks = [known.block(number, md5) for number, md5 in enumerate(parts, 1)]
        etag = joined(parts)
        headers = {**_headers(known.meta, self._dsn), f"x-ms-meta-{ETAG}": etag}
        body = azure_listing.block_list(blocks)
        self._good(name, self._send("PUT", name, {"comp": "blocklist"}, headers, body))
        return etag

    def abort(self, name: str, upload: str) -> None:
        """Let the parts be: Azure drops them by itself, a week after the last one."""

    def unfinished(self, name: str) -> Iterator[Unfinished]:
        """List nothing: Azure cannot say what was begun with a blob."""
        del name
        yield from ()

    def copy(self, source: Object, name: str, meta: Meta) -> str:
        """Copy a blob, if it still has the ETag of `source`; return the copy's ETag."""
        there = self._good(source.name, self._send("HEAD", source.name))
        if azure_listing.etag_of(there.headers) != source.etag:
            raise ChangedError(source.name, "changed while it was copied", AGAIN)
        kept = {f"x-ms-meta-{ETAG}": source.etag} if _is_ours(there.headers) else {}
        headers = {
            "x-ms-copy-source": self._api.url_of(self._folder + source.name),
            "x-ms-source-if-match": there.headers.get("etag", ""),
            **_metadata(meta),
            **kept,
        }
        answer = self._good(name, self._send("PUT", name, headers=headers))
        self._await_copy(name, answer)
        described = {
            **_properties(meta, self._dsn),
            "x-ms-blob-content-md5": _md5_of(there.headers),
        }
        described = {key: value for key, value in described.items() if value}
        self._good(name, self._send("PUT", name, {"comp": "properties"}, described))
        return source.etag

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Delete blobs, many at once; yield name and reason of each that could not be."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(lambda name: self._send("DELETE", name), names)
            for name, answer in zip(names, answers, strict=True):
                if answer.status >= 300 and answer.status != 404:
                    yield name, self._api.refusal(answer).what

    def read(self, name: str) -> Iterator[bytes]:
        """Read a blob, a range at a time."""
        yield from self.fetch(name, "").chunks

    def fetch(self, name: str, etag: str, offset: int = 0) -> Download:
        """Begin to read the blob that has this ETag; raises ChangedError, StorageError."""
        answer = self._range(name, offset, NOTHING)
        if etag and azure_listing.etag_of(answer.headers) != etag:
            raise ChangedError(name, "changed while it was read", AGAIN)
        stored = parsedate_to_datetime(answer.headers["last-modified"])
        noted = {times.MTIME: answer.headers.get(f"x-ms-meta-{times.MTIME}", "")}
        return Download(times.modified(noted, stored), self._chunks(name, answer, offset))

    def look(self, name: str) -> Object | None:
        """Return what a listing would tell of a blob."""
        answer = self._send("HEAD", name)
        if answer.status == 404:
            return None
        headers = self._good(name, answer).headers
        size = int(headers.get("content-length", "0"))
        return Object(name, size, azure_listing.etag_of(headers))

    def _page(self, _: str, token: str) -> Page:
        query = {"restype": "container", "comp": "list", "include": "metadata"}
        query |= {"prefix": self._folder, "maxresults": "5000"}
        if token:
            query["marker"] = token
        answer = self._api.send("GET", "", query)
        if answer.status >= 300:
            raise self._api.refusal(answer)
        page = azure_listing.blobs(answer.text, self._folder)
        # Accounts with a hierarchical namespace list as a file system does, and do not say so.
        by_folders = _comes(page, shards.by_folders) and not _comes(page, shards.by_letters)
        return page._replace(by_folders=by_folders)

    def _range(self, name: str, begin: int, condition: Mapping[str, str]) -> Answer:
        headers = {"x-ms-range": f"bytes={begin}-{begin + CHUNK - 1}", **condition}
        answer = self._send("GET", name, headers=headers)
        if answer.status == 416:  # nothing is left, or nothing was there
            answer = self._send("HEAD", name)._replace(body=b"")
        if answer.status in {404, 412} and _code(answer) != "ContainerNotFound":
            raise ChangedError(name, "changed while it was read", AGAIN)
        return self._good(name, answer)

    def _chunks(self, name: str, answer: Answer, begin: int) -> Iterator[bytes]:
        condition = {"if-match": answer.headers.get("etag", "")}
        total = int(answer.headers.get("content-range", "/0").rpartition("/")[2])
        while answer.body:
            yield answer.body
            begin += len(answer.body)
            if begin >= total:
                return
            answer = self._range(name, begin, condition)

    def _await_copy(self, name: str, answer: Answer) -> None:
        deadline = time.monotonic() + COPY_SECONDS
        while answer.headers.get("x-ms-copy-status", "success") != "success":
            if time.monotonic() > deadline:
                raise ObjectError(name, "is copied too slowly", AGAIN)
            time.sleep(0.2)
            answer = self._good(name, self._send("HEAD", name))

    def _send(
        self,
        method: str,
        name: str,
        query: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
        body: bytes = b"",
    ) -> Answer:
        return self._api.send(method, self._folder + name, query, headers, body)

    def _good(self, name: str, answer: Answer) -> Answer:
        if answer.status < 300:
            return answer
        problem = self._api.refusal(answer)
        if answer.status == 400 and "md5" in f"{_code(answer)} {problem.what}".lower():
            raise DamagedError(name, "was damaged on the way", problem.hint)
        if answer.status in FATAL or answer.status >= 500 or _code(answer) == "ContainerNotFound":
            raise problem
        raise ObjectError(name, problem.what, problem.hint)


def _comes(page: Page, order: Order) -> bool:
    return all(order(a.name) < order(b.name) for a, b in pairwise(page.objects))


def _code(answer: Answer) -> str:
    return answer.headers.get("x-ms-error-code", "")


def _headers(meta: Meta, dsn: AzDsn) -> dict[str, str]:
    return {**_properties(meta, dsn), **_metadata(meta)}


def _properties(meta: Meta, dsn: AzDsn) -> dict[str, str]:
    found = {"x-ms-blob-content-type": meta.content_type}
    if cache_control := meta.cache_control or dsn.cache_control:
        found["x-ms-blob-cache-control"] = cache_control
    return found


def _metadata(meta: Meta) -> dict[str, str]:
    return {f"x-ms-meta-{times.MTIME}": times.render(meta.mtime)} if meta.mtime else {}


def _is_ours(headers: Mapping[str, str]) -> bool:
    return bool(headers.get(f"x-ms-meta-{ETAG}"))


def _md5_of(headers: Mapping[str, str]) -> str:
    return headers.get("x-ms-blob-content-md5") or headers.get("content-md5", "")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
