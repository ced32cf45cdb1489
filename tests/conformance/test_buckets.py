"""Hold every storage to the same promises, on real servers."""

import hashlib
import os

import pytest

from slipway.objects.bucket import Bucket, ChangedError, DamagedError, Meta, ObjectError
from slipway.objects.listing import Object, Part

MEBIBYTE = 1024 * 1024
NAMES = [
    "plain.txt",
    "a/b/c.txt",
    "a+b & c=d%20e#f?g.css",
    "nfc-\u00e9",
    "nfd-e\u0301",
    "日本/資料",
    " x ",
]
META = Meta("text/plain", "max-age=60", 1_600_000_000_250_000_000)


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def put(bucket: Bucket, name: str, body: bytes) -> str:
    return bucket.put(name, body, META, md5(body))


def listed(bucket: Bucket) -> list[Object]:
    return list(bucket.listing().objects)


def content(bucket: Bucket, name: str, etag: str = "", offset: int = 0) -> bytes:
    return b"".join(bucket.fetch(name, etag, offset).chunks)


def test_what_is_put_is_listed_and_read_under_its_etag(bucket: Bucket) -> None:
    wanted = {name: os.urandom(100 + number) for number, name in enumerate(NAMES)}
    wanted["empty"] = b""
    etags = {name: put(bucket, name, body) for name, body in wanted.items()}
    listing = bucket.listing()
    found = list(listing.objects)
    assert found == sorted(found, key=lambda there: listing.order(there.name))
    assert {o.name: (o.size, o.etag) for o in found} == {
        name: (len(body), etags[name]) for name, body in wanted.items()
    }
    for name, body in wanted.items():
        assert content(bucket, name, etags[name]) == body


def test_the_etag_is_the_md5_of_what_was_put(bucket: Bucket) -> None:
    assert put(bucket, "a.txt", b"12345") == md5(b"12345").hex()


def test_the_time_of_the_file_is_kept(bucket: Bucket) -> None:
    etag = put(bucket, "a.txt", b"12345")
    assert bucket.fetch("a.txt", etag).modified == META.mtime


def test_an_object_is_read_only_as_it_was_listed(bucket: Bucket) -> None:
    etag = put(bucket, "a.txt", b"12345")
    assert content(bucket, "a.txt", etag, 2) == b"345"
    put(bucket, "a.txt", b"other")
    with pytest.raises(ChangedError):
        content(bucket, "a.txt", etag)
    with pytest.raises(ChangedError):
        content(bucket, "gone.txt", etag)


def test_one_object_is_looked_at(bucket: Bucket) -> None:
    assert bucket.look("a.txt") is None
    put(bucket, "a.txt", b"12345")
    assert [bucket.look("a.txt")] == listed(bucket)


def test_a_damaged_body_is_refused(bucket: Bucket) -> None:
    put(bucket, "a.txt", b"old")
    with pytest.raises(DamagedError):
        bucket.put("a.txt", b"12345", META, md5(b"other"))
    assert content(bucket, "a.txt") == b"old"


def test_an_upload_in_parts_is_visible_only_when_it_is_whole(bucket: Bucket) -> None:
    parts = [os.urandom(5 * MEBIBYTE), os.urandom(5 * MEBIBYTE), b"end"]
    upload = bucket.begin("large.bin", META)
    etags = {
        number: bucket.put_part("large.bin", upload, number, body, md5(body))
        for number, body in reversed(list(enumerate(parts, 1)))
    }
    assert listed(bucket) == []
    arrived = {n: Part(len(body), md5(body).hex()) for n, body in enumerate(parts, 1)}
    assert bucket.parts("large.bin", upload) == arrived
    etag = bucket.complete("large.bin", upload, [etags[n] for n in (1, 2, 3)])
    assert etag == f"{md5(b''.join(map(md5, parts))).hex()}-3"
    there = listed(bucket)[0]
    assert content(bucket, "large.bin", there.etag) == b"".join(parts)
    assert content(bucket, "large.bin", there.etag, 9 * MEBIBYTE) == b"".join(parts)[9 * MEBIBYTE :]
    assert bucket.fetch("large.bin", there.etag).modified == META.mtime


def test_an_aborted_upload_leaves_nothing(bucket: Bucket) -> None:
    upload = bucket.begin("large.bin", META)
    bucket.put_part("large.bin", upload, 1, b"x", md5(b"x"))
    bucket.abort("large.bin", upload)
    bucket.abort("large.bin", upload)
    assert listed(bucket) == []


def test_a_copy_is_of_what_was_listed(bucket: Bucket) -> None:
    put(bucket, "a.txt", b"12345")
    source = listed(bucket)[0]
    assert bucket.copy(source, "b/c.txt", META) == source.etag
    assert content(bucket, "b/c.txt") == b"12345"
    put(bucket, "a.txt", b"other")
    with pytest.raises(ObjectError):
        bucket.copy(source, "d.txt", META)
    assert bucket.look("d.txt") is None


def test_deletion_is_told_of_what_it_could_not_do(bucket: Bucket) -> None:
    for name in ("a.txt", "b/c.txt", "kept.txt"):
        put(bucket, name, b"x")
    assert list(bucket.delete(["a.txt", "b/c.txt", "never-there"])) == []
    assert [there.name for there in listed(bucket)] == ["kept.txt"]
