"""Stand in for an object storage, in memory."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from slipway.errors import StorageError
from slipway.objects import keys
from slipway.objects.bucket import ChangedError, DamagedError, Download, Meta, ObjectError
from slipway.objects.listing import Object, Part, Unfinished
from slipway.objects.pool import Observer
from slipway.objects.shards import Listing, by_letters
from slipway.sync import etags


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass
class MemoryBucket:
    """Behave like S3; `opaque` ETags, `damages`, refusals and failures when told to."""

    contents: dict[str, bytes] = field(default_factory=dict)
    metas: dict[str, Meta] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, tuple[str, Meta, dict[int, bytes]]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)  # names of objects and parts, as they came
    requests: int = 0
    label: str = "memory"
    observer: Observer | None = None
    opaque: bool = False
    damages: int = 0  # how many uploads arrive damaged
    damages_silently: bool = False
    refused: set[str] = field(default_factory=set)
    fails_after: int = -1
    copies: bool = True
    cuts: int = 0  # how many downloads break in the middle
    modified: int = 1_600_000_000_000_000_000
    before_fetch: list[Callable[["MemoryBucket"], None]] = field(default_factory=list)

    def refuses(self, name: str) -> str:
        return keys.problem(name)

    def listing(self, _: Sequence[str] | None = ()) -> Listing:
        self.requests += 1
        found = [
            Object(name, len(content), self.etags[name])
            for name, content in sorted(self.contents.items())
        ]
        return Listing(by_letters, iter(found))

    def put(self, name: str, body: bytes, meta: Meta, digest: bytes) -> str:
        self.arrive(name, name, body, digest)
        if self.damages_silently:
            body = body[::-1]
        return self.store(name, body, meta, etags.of_bytes(body))

    def begin(self, name: str, meta: Meta) -> str:
        self.requests += 1
        self.check(name)
        identity = f"id-{self.requests}"
        self.uploads[identity] = (name, meta, {})
        return identity

    def put_part(self, name: str, upload: str, number: int, body: bytes, digest: bytes) -> str:
        self.arrive(name, f"{name} {number}", body, digest)
        self.uploads[upload][2][number] = body
        return md5(body).hex()

    def parts(self, _: str, upload: str) -> dict[int, Part]:
        self.requests += 1
        if upload not in self.uploads:
            return {}
        return {n: Part(len(b), md5(b).hex()) for n, b in self.uploads[upload][2].items()}

    def complete(self, name: str, upload: str, parts: Sequence[str]) -> str:
        self.requests += 1
        _, meta, arrived = self.uploads.pop(upload)
        pieces = [arrived[number] for number in range(1, len(parts) + 1)]
        assert [md5(piece).hex() for piece in pieces] == list(parts)
        etag = f"{md5(b''.join(map(md5, pieces))).hex()}-{len(pieces)}"
        return self.store(name, b"".join(pieces), meta, etag)

    def abort(self, _: str, upload: str) -> None:
        self.requests += 1
        self.uploads.pop(upload, None)

    def unfinished(self, name: str) -> Iterator[Unfinished]:
        for identity, (begun, _, _) in self.uploads.items():
            if begun == name:
                yield Unfinished(begun, identity, datetime.now(UTC))

    def copy(self, source: Object, name: str, meta: Meta) -> str:
        self.requests += 1
        if not self.copies or self.etags[source.name] != source.etag:
            raise ObjectError(name, "cannot be copied", "")
        body = self.contents[source.name]
        return self.store(name, body, meta, etags.of_bytes(body))

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        self.requests += 1
        for name in names:
            if name in self.refused:
                yield name, "Access Denied"
            else:
                del self.contents[name]

    def read(self, name: str) -> Iterator[bytes]:
        self.requests += 1
        yield self.contents[name]

    def fetch(self, name: str, etag: str, offset: int = 0) -> Download:
        self.requests += 1
        self.check(name)
        if self.before_fetch:
            self.before_fetch.pop()(self)
        if self.etags.get(name) != etag:
            raise ChangedError(name, "changed while it was read", "run it again")
        return Download(self.modified, self.chunks(name, offset))

    def chunks(self, name: str, offset: int) -> Iterator[bytes]:
        body = self.contents[name][offset:]
        if self.damages:
            self.damages -= 1
            body = bytes([body[0] ^ (1 + self.damages % 255)]) + body[1:]
        if self.cuts:
            self.cuts -= 1
            yield body[: len(body) // 2]
            raise StorageError(self.label, "cut the connection", "check the network")
        yield body

    def look(self, name: str) -> Object | None:
        if name not in self.contents:
            return None
        return Object(name, len(self.contents[name]), self.etags[name])

    def arrive(self, name: str, what: str, body: bytes, digest: bytes) -> None:
        self.requests += 1
        self.check(name)
        if self.damages:
            self.damages -= 1
            body = b"?" + body
        if md5(body) != digest:
            raise DamagedError(name, "was damaged on the way", "run it again")
        self.sent.append(what)

    def store(self, name: str, body: bytes, meta: Meta | str, etag: str) -> str:
        self.contents[name] = body
        self.metas[name] = Meta(meta) if isinstance(meta, str) else meta
        self.etags[name] = md5(f"{name}{etag}".encode()).hex() if self.opaque else etag
        return self.etags[name]

    def check(self, name: str) -> None:
        if name in self.refused:
            raise ObjectError(name, "is refused", "rename it")
        if self.fails_after == len(self.contents):
            raise StorageError(self.label, "has no room left", "raise its quota")
