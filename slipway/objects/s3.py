"""Reach a bucket of S3, or of a server that speaks as S3 does."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import escape

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.objects import keys, listing, refusals, times
from slipway.objects.bucket import ChangedError, DamagedError, Download, Meta, ObjectError
from slipway.objects.listing import Object, Page, Part, Unfinished
from slipway.objects.pool import Counter, Pooled
from slipway.objects.requests import Requests
from slipway.objects.shards import PAGE, Listing, sharded
from slipway.objects.wire import Answer

CHUNK = 8 * 1024 * 1024  # bytes of an object that are in memory at once
AT_ONCE = 1000  # objects that one request may delete, the limit of S3
DAMAGED = {
    "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
}  # fmt: skip
FATAL = {401, 403, 404}
DENIALS = {"", "AccessDenied", "Forbidden"}  # others are of the key
MANY_DENIALS = 20
OF_ONE = {"NoSuchUpload", "InvalidObjectState"}  # other objects may do
MTIME = f"x-amz-meta-{times.MTIME}"
BY_FOLDERS = "SeaweedFS"
LOST_BEFORE = timedelta(minutes=2)  # longer than one request is repeated
NO_QUERY: Mapping[str, str] = {}


class S3Bucket(Pooled):
    """Reach a bucket with the key of a DSN, and with nothing from the caller's environment."""

    def __init__(self, dsn: S3Dsn) -> None:
        self._dsn = dsn
        self._api = Requests(dsn, Counter())
        super().__init__(self._api.pool)
        self._folder = f"{dsn.prefix}/" if dsn.prefix else ""
        self._served = False
        self._denied = 0  # objects in a row

    @property
    def label(self) -> str:
        """Name the bucket, and its folder, for people."""
        return f"{self._dsn.bucket}/{self._folder}".rstrip("/")

    def refuses(self, name: str) -> str:
        """Say why a name cannot be sent unchanged, or return an empty text."""
        return keys.problem(self._folder + name)

    def listing(self, seeds: Sequence[str] | None = ()) -> Listing:
        """List every object under the prefix; raises StorageError, Disordered.

        A range begins at each of the names `seeds`; all are asked for at once. None sorts here.
        """
        return sharded(self._page, seeds)

    def put(self, name: str, body: bytes, meta: Meta, md5: bytes) -> str:
        """Write an object in one request and return its ETag; raises StorageError.

        The server compares what arrived with the MD5 and with the SHA-256 in the signature.
        """
        headers = {"content-md5": _base64(md5), **self._headers(meta)}
        answer = self._good(name, self._send("PUT", name, NO_QUERY, body, headers))
        return self._etag(name, answer.headers.get("etag", ""))

    def begin(self, name: str, meta: Meta) -> str:
        """Begin an upload in parts and return its identity; raises StorageError."""
        answer = self._send("POST", name, {"uploads": ""}, b"", self._headers(meta))
        upload = refusals.element(self._good(name, answer).text, "UploadId")
        if answer.repeated:
            with suppress(StorageError):  # what stays costs room, not this run
                self._abort_lost(name, upload)
        return upload

    def _abort_lost(self, name: str, upload: str) -> None:
        """Abort the uploads that began right before this one, and whose answers were lost."""
        begun = {left.upload: left.initiated for left in self.unfinished(name)}
        ours = begun.pop(upload, None)
        for other, moment in begun.items():
            if ours and timedelta() <= ours - moment < LOST_BEFORE:
                self.abort(name, other)

    def put_part(self, name: str, upload: str, number: int, body: bytes, md5: bytes) -> str:
        """Write a part and return its ETag; raises StorageError."""
        query = {"partNumber": str(number), "uploadId": upload}
        answer = self._send("PUT", name, query, body, {"content-md5": _base64(md5)})
        # The MD5 is the ETag of a part; where the answer has none, it says which part is meant.
        return self._good(name, answer).headers.get("etag", "").strip('"') or md5.hex()

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that have arrived; raises StorageError."""
        found: dict[int, Part] = {}
        query = {"uploadId": upload}
        while True:
            answer = self._send("GET", name, query)
            if answer.status == 404:
                return {}
            page = listing.parts(self._good(name, answer).text)
            found |= page.parts
            if not page.marker:
                return found
            query["part-number-marker"] = page.marker

    def complete(self, name: str, upload: str, parts: Sequence[str]) -> str:
        """Make an object of its parts and return its ETag; raises StorageError.

        An answer may be lost, after which the upload is not known any more and the object is
        there.
        """
        rows = "".join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag></Part>'
            for number, etag in enumerate(parts, 1)
        )
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        answer = self._send("POST", name, {"uploadId": upload}, body)
        if answer.status == 404 and answer.repeated:
            there = self.look(name)
            if there and _is_made_of(there.etag, parts):
                return there.etag
        etag = refusals.element(self._good(name, answer).text, "ETag")
        return self._etag(name, etag.replace("&quot;", "").replace("&#34;", ""))

    def abort(self, name: str, upload: str) -> None:
        """Remove the parts of an unfinished upload; raises StorageError."""
        answer = self._send("DELETE", name, {"uploadId": upload})
        if answer.status != 404:
            self._good(name, answer)

    def unfinished(self, name: str) -> Iterator[Unfinished]:
        """List the uploads in parts of an object that nobody finished; raises StorageError."""
        text = self._api.ask("GET", "", {"uploads": "", "prefix": self._folder + name})
        for upload in listing.uploads(text, self._folder):
            if upload.name == name:
                yield upload

    def _headers(self, meta: Meta) -> dict[str, str]:
        """Return what the site would store with an object, too, and when the file was changed."""
        headers = {
            "content-type": meta.content_type,
            "cache-control": meta.cache_control or self._dsn.cache_control,
            "x-amz-acl": self._dsn.public_acl,
            MTIME: times.render(meta.mtime) if meta.mtime else "",
        }
        return {name: value for name, value in headers.items() if value}

    def copy(self, source: Object, name: str, meta: Meta) -> str:
        """Copy an object inside the bucket and return the copy's ETag; raises StorageError."""
        headers = {
            "x-amz-copy-source": keys.quoted(f"/{self._dsn.bucket}/{self._folder}{source.name}"),
            "x-amz-copy-source-if-match": f'"{source.etag}"',
            "x-amz-metadata-directive": "REPLACE",
            **self._headers(meta),
        }
        answer = self._send("PUT", name, NO_QUERY, b"", headers)
        etag = refusals.element(self._good(name, answer).text, "ETag")
        return self._etag(name, etag.replace("&quot;", "").replace("&#34;", ""))

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Delete objects; yield name and reason of each that could not be; raises StorageError."""
        for begin in range(0, len(names), AT_ONCE):
            some = names[begin : begin + AT_ONCE]
            rows = "".join(
                f"<Object><Key>{escape(self._folder + name, quote=False)}</Key></Object>"
                for name in some
            )
            body = f"<Delete><Quiet>true</Quiet>{rows}</Delete>".encode()
            text = self._api.ask("POST", "", {"delete": ""}, body)
            for key, reason in listing.failures(text):
                yield key.removeprefix(self._folder), reason

    def read(self, name: str) -> Iterator[bytes]:
        """Read an object, a range at a time; raises StorageError, also where it changes."""
        yield from self.fetch(name, "").chunks

    def fetch(self, name: str, etag: str, offset: int = 0) -> Download:
        """Begin to read the object that has this ETag, from `offset` bytes on.

        Raises ChangedError where it has another one by now, StorageError.
        """
        answer = self._range(name, etag, offset)
        chunks = self._ranges(name, answer, offset)
        return Download(_modified(answer.headers), chunks, _is_opaque(answer.headers))

    def look(self, name: str) -> Object | None:
        """Return what a listing would tell of an object; raises StorageError."""
        answer = self._send("HEAD", name, NO_QUERY)
        if answer.status == 404:
            return None
        headers = self._good(name, answer).headers
        size = int(headers.get("content-length", "0"))
        return Object(name, size, headers.get("etag", "").strip('"'))

    def _range(self, name: str, etag: str, begin: int) -> Answer:
        headers = {"range": f"bytes={begin}-{begin + CHUNK - 1}"}
        if etag:
            headers["if-match"] = f'"{etag}"'
        answer = self._send("GET", name, NO_QUERY, b"", headers)
        if answer.status == 416:  # nothing is left, or nothing was there
            answer = self._good(name, self._send("HEAD", name, NO_QUERY))._replace(body=b"")
        gone = answer.status == 404 and refusals.element(answer.text, "Code") == "NoSuchKey"
        if answer.status == 412 or gone:
            raise ChangedError(name, "changed while it was read", "run it again")
        self._good(name, answer)
        # Some servers take no notice of conditions, or of ranges.
        if etag and answer.headers.get("etag", "").strip('"') != etag:
            raise ChangedError(name, "changed while it was read", "run it again")
        if answer.status == 200 and begin:
            return answer._replace(body=answer.body[begin:])
        return answer

    def _ranges(self, name: str, answer: Answer, begin: int) -> Iterator[bytes]:
        etag = answer.headers.get("etag", "").strip('"')
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        while answer.body:
            yield answer.body
            begin += len(answer.body)
            if not total.isdigit() or begin >= int(total):
                return
            answer = self._range(name, etag, begin)

    def _page(self, after: str, token: str) -> Page:
        query = {"list-type": "2", "encoding-type": "url", "max-keys": str(PAGE)}
        query["prefix"] = self._folder
        if token:
            query["continuation-token"] = token
        elif after:
            query["start-after"] = self._folder + after
        answer = self._api.send("GET", "", query)
        if answer.status >= 300:
            raise refusals.of_answer(self._dsn, answer.status, answer.text)
        self._served = True
        page = listing.objects(answer.text, self._folder)
        by_folders = answer.headers.get("server", "").startswith(BY_FOLDERS)
        return page._replace(by_folders=by_folders)

    def _send(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] = NO_QUERY,
    ) -> Answer:
        return self._api.send(method, self._folder + name, query, body, headers)

    def _good(self, name: str, answer: Answer) -> Answer:
        if answer.status < 300:
            self._served, self._denied = True, 0
            return answer
        error = explained(self._dsn, name, answer.status, answer.text)
        if answer.status == 403 and self._denies_one(refusals.element(answer.text, "Code")):
            raise ObjectError(name, error.what, error.hint)
        raise error

    def _denies_one(self, code: str) -> bool:
        """Tell whether a refusal may concern one object, such as one with a key of its own.

        It does where the storage has served the key, and has not refused many in a row.
        """
        if code not in DENIALS and not code.startswith("KMS."):
            return False
        self._denied += 1
        return self._served and self._denied <= MANY_DENIALS

    def _etag(self, name: str, etag: str) -> str:
        if not etag:  # some servers leave it out of the answer to an upload in parts
            answer = self._good(name, self._send("HEAD", name, NO_QUERY))
            etag = answer.headers.get("etag", "")
        return etag.strip('"')


def explained(dsn: S3Dsn, name: str, status: int, body: str) -> StorageError:
    """Tell damage, refusals of one object, and what stops everything apart."""
    problem = refusals.of_answer(dsn, status, body)
    code = refusals.element(body, "Code")
    if code in DAMAGED:
        return DamagedError(name, "was damaged on the way", problem.hint)
    if code in OF_ONE or (400 <= status < 500 and status not in FATAL):
        return ObjectError(name, problem.what, problem.hint)
    return problem


def _is_made_of(etag: str, parts: Sequence[str]) -> bool:
    """Tell whether an ETag is that of these parts, as far as theirs tell their content."""
    if all(map(listing.MD5.fullmatch, parts)):
        return etag == listing.joined(parts)
    return etag.endswith(f"-{len(parts)}")


def _is_opaque(headers: Mapping[str, str]) -> bool:
    """Tell whether an object is encrypted so that its ETag is no MD5.

    Source: "Common response headers" in the API reference of Amazon S3.
    """
    by = headers.get("x-amz-server-side-encryption", "")
    return by.startswith("aws:kms") or "x-amz-server-side-encryption-customer-algorithm" in headers


def _modified(headers: Mapping[str, str]) -> int:
    """Return the time (Unix, ns) that the sender noted, or the one at which it was stored."""
    try:
        stored = parsedate_to_datetime(headers.get("last-modified", ""))
    except ValueError:
        stored = datetime.now(UTC)
    return times.modified({times.MTIME: headers.get(MTIME, "")}, stored)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
