import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.objects import listing, pool, s3
from slipway.objects.bucket import ChangedError, DamagedError, Meta, ObjectError
from slipway.objects.listing import Object
from slipway.objects.pool import Counter, Pool
from slipway.objects.wire import Answer, Place
from slipway.secrets import Secret

DSN = S3Dsn("key", Secret("hidden"), "media", "eu-central-1", "http://s3.example.com", "site")


def explained(status: int, code: str) -> StorageError:
    return s3.explained(DSN, "a.txt", status, f"<Error><Code>{code}</Code></Error>")


def test_damage_can_be_told_from_refusal_and_from_what_stops_everything() -> None:
    assert isinstance(explained(400, "BadDigest"), DamagedError)
    refused = explained(400, "KeyTooLongError")
    assert isinstance(refused, ObjectError)
    assert not isinstance(refused, DamagedError)
    assert isinstance(explained(404, "NoSuchUpload"), ObjectError)
    for status, code in ((403, "AccessDenied"), (404, "NoSuchBucket"), (503, "SlowDown")):
        assert not isinstance(explained(status, code), ObjectError)


def test_damage_and_refusals_name_the_object() -> None:
    with pytest.raises(DamagedError, match=r"^a\.txt: was damaged on the way"):
        raise explained(400, "XAmzContentSHA256Mismatch")
    with pytest.raises(ObjectError, match=r"^a\.txt: answered 413"):
        raise explained(413, "EntityTooLarge")
    with pytest.raises(ObjectError, match=r"^a\.txt: is archived, and must be restored first"):
        raise explained(403, "InvalidObjectState")


def test_names_are_judged_and_shown_with_the_prefix() -> None:
    opened = s3.S3Bucket(DSN)
    assert opened.label == "media/site"
    assert opened.refuses("x" * 1020) != ""
    assert opened.refuses("x" * 1019) == ""


def test_certificates_that_cannot_be_read_are_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damaged = tmp_path / "roots.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(damaged))
    with pytest.raises(StorageError, match="names a damaged file"):
        s3.S3Bucket(replace(DSN, endpoint="https://s3.example.com"))


class Scripted(s3.S3Bucket):
    """Give answers from a list and keep what was asked."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(DSN)
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes, dict[str, str]]] = []

    def _send(  # type: ignore[override]
        self, method: str, name: str, query: dict[str, str], body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        self.asked.append((method, name, dict(query), body, dict(headers or {})))
        self._pool.counter.add(2)  # another thread makes requests, too
        return self.answers.pop(0)


def answer(status: int = 200, body: str = "", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): v for name, v in headers.items()}, body.encode())


def test_an_object_carries_its_checksum_and_metadata() -> None:
    bucket = Scripted(answer(etag='"aa"'))
    meta = Meta("text/css", "no-cache", 1_500_000_000_000_000_001)
    assert bucket.put("a.css", b"x", meta, bytes(16)) == "aa"
    assert bucket.asked[0][4] == {
        "content-md5": "AAAAAAAAAAAAAAAAAAAAAA==",
        "content-type": "text/css",
        "cache-control": "no-cache",
        "x-amz-meta-mtime": "1500000000.000000001",
    }


def test_a_copy_names_its_source_and_takes_no_other() -> None:
    bucket = Scripted(answer(body="<CopyObjectResult><ETag>&#34;bb&#34;</ETag></CopyObjectResult>"))
    assert bucket.copy(Object("ä b", 1, "aa"), "new", Meta("text/plain")) == "bb"
    headers = bucket.asked[0][4]
    assert headers["x-amz-copy-source"] == "/media/site/%C3%A4%20b"
    assert headers["x-amz-copy-source-if-match"] == '"aa"'
    assert headers["x-amz-metadata-directive"] == "REPLACE"


class Answering(Pool):
    """Give answers from a list, to whoever sends requests."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(Place("s3.example.com", 80, None), Counter())
        self.answers = list(answers)

    def exchange(self, *_: object, **__: object) -> Answer:
        return self.answers.pop(0)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda bucket: bucket.complete("a", "id", ["aa"]),
        lambda bucket: bucket.copy(Object("a", 1, "aa"), "new", Meta("text/plain")),
    ],
)
def test_success_that_says_error_in_its_body_is_none_and_is_asked_for_again(
    request_of: Callable[[s3.S3Bucket], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    failed = answer(body="<?xml version='1.0'?>\n <Error><Code>InternalError</Code></Error>")
    bucket = s3.S3Bucket(DSN)
    bucket._api.pool = Answering(failed, failed, answer(body="<Done><ETag>&quot;bb&quot;</ETag>"))
    assert request_of(bucket) == "bb"
    monkeypatch.setattr(pool, "PATIENCE", -1.0)
    bucket._api.pool = Answering(*[failed] * 3)
    with pytest.raises(StorageError, match="answered 500"):
        request_of(bucket)


def test_objects_that_one_request_could_not_delete_are_no_failure_of_the_request() -> None:
    denied = (
        "<DeleteResult><Error><Key>site/a</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    bucket = s3.S3Bucket(DSN)
    bucket._api.pool = Answering(answer(body=denied))
    assert list(bucket.delete(["a"])) == [("a", "AccessDenied")]


def test_parts_of_an_upload_that_is_not_known_any_more_are_none() -> None:
    assert Scripted(answer(404, "<Error><Code>NoSuchUpload</Code></Error>")).parts("a", "id") == {}


def test_an_upload_that_is_gone_is_completed_only_where_an_answer_may_have_been_lost() -> None:
    gone = answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
    with pytest.raises(ObjectError, match="NoSuchUpload"):
        Scripted(gone).complete("a", "id", ["x", "y"])
    lost = gone._replace(repeated=True)
    assert Scripted(lost, answer(etag='"aa-2"')).complete("a", "id", ["x", "y"]) == "aa-2"
    for older in (answer(404), answer(etag='"aa"'), answer(etag='"aa-3"')):
        with pytest.raises(ObjectError, match="NoSuchUpload"):
            Scripted(lost, older).complete("a", "id", ["x", "y"])


UPLOADS = "".join(
    f"<Upload><Key>site/{name}</Key><UploadId>{upload}</UploadId>"
    f"<Initiated>2026-01-01T{at}Z</Initiated></Upload>"
    for name, upload, at in [
        ("a", "of another push", "10:00:00"),
        ("a", "lost", "10:09:58"),
        ("a", "ours", "10:10:00"),
        ("ab", "of another file", "10:10:00"),
    ]
)


def test_an_upload_whose_first_answer_was_lost_is_not_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = answer(body="<UploadId>ours</UploadId>")
    assert (alone := Scripted(begun)).begin("a", Meta("text/css")) == "ours"
    assert len(alone.asked) == 1
    bucket = Scripted(begun._replace(repeated=True), answer(204))
    monkeypatch.setattr(bucket._api, "ask", lambda *_: f"<Result>{UPLOADS}</Result>")
    assert bucket.begin("a", Meta("text/css")) == "ours"
    assert [asked[:3] for asked in bucket.asked[1:]] == [("DELETE", "a", {"uploadId": "lost"})]


def test_an_older_object_of_as_many_parts_is_not_taken_for_the_completed_one() -> None:
    lost = answer(404, "<Error><Code>NoSuchUpload</Code></Error>")._replace(repeated=True)
    parts = [hashlib.md5(content).hexdigest() for content in (b"x", b"y")]
    ours = listing.joined(parts)
    assert Scripted(lost, answer(etag=f'"{ours}"')).complete("a", "id", parts) == ours
    with pytest.raises(ObjectError, match="NoSuchUpload"):
        Scripted(lost, answer(etag='"aa-2"')).complete("a", "id", parts)


def test_an_etag_that_is_left_out_is_asked_for() -> None:
    bucket = Scripted(answer(body="<CompleteMultipartUploadResult/>"), answer(etag='"aa-2"'))
    assert bucket.complete("a", "id", ["x", "y"]) == "aa-2"
    assert bucket.asked[1][0] == "HEAD"


def test_what_changes_while_it_is_fetched_is_noticed_whatever_the_server_says() -> None:
    for reply in (answer(412), answer(404, "<Code>NoSuchKey</Code>"), answer(200, "x", etag='"b"')):
        with pytest.raises(ChangedError, match="changed while it was read"):
            Scripted(reply).fetch("a", "aa")


def test_an_object_is_read_in_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "CHUNK", 3)
    first = answer(206, "abc", etag='"aa"', content_range="bytes 0-2/5")
    second = answer(206, "de", etag='"aa"', content_range="bytes 3-4/5")
    bucket = Scripted(first._replace(headers={**first.headers, "x-amz-meta-mtime": "7.25"}), second)
    found = bucket.fetch("a", "aa")
    assert found.modified == 7_250_000_000
    assert b"".join(found.chunks) == b"abcde"
    assert [asked[4]["range"] for asked in bucket.asked] == ["bytes=0-2", "bytes=3-5"]
    assert list(Scripted(answer(416), answer(etag='"aa"')).fetch("a", "aa").chunks) == []
    assert list(Scripted(answer(200, "abcde", etag='"aa"')).fetch("a", "aa", 3).chunks) == [b"de"]


def denied(code: str = "AccessDenied") -> Answer:
    return answer(403, f"<Error><Code>{code}</Code></Error>")


def test_one_object_that_is_forbidden_is_named_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3, "MANY_DENIALS", 3)
    opened = Scripted(answer(), *(denied("") for _ in range(3)), denied(), denied())
    opened.look("a")
    for _ in range(3):
        with pytest.raises(ObjectError, match=r"^b: "):
            opened.look("b")
    with pytest.raises(StorageError, match="forbids this to the access key") as caught:
        opened.look("c")
    assert not isinstance(caught.value, ObjectError)


def test_what_is_forbidden_alone_is_named_where_the_rest_may_be_listed() -> None:
    opened = Scripted(denied())
    opened._api.send = lambda *_: answer(body="<ListBucketResult/>")  # type: ignore[method-assign]
    assert list(opened.listing([]).objects) == []
    with pytest.raises(ObjectError, match=r"^only: forbids this"):
        opened.fetch("only", "aa")


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId"])
def test_a_key_without_rights_ends_the_run_at_once(code: str) -> None:
    opened = Scripted(answer(), denied(code)) if code != "AccessDenied" else Scripted(denied(code))
    if code != "AccessDenied":
        opened.look("a")
    with pytest.raises(StorageError, match="access key") as caught:
        opened.look("a")
    assert not isinstance(caught.value, ObjectError)


def test_a_storage_says_where_an_etag_is_no_md5() -> None:
    by = "x-amz-server-side-encryption"
    encrypted = [{by: "aws:kms"}, {by: "aws:kms:dsse"}, {f"{by}-customer-algorithm": "AES256"}]
    found = [
        Scripted(Answer(200, {"etag": '"e"', **headers}, b"x")).fetch("a", "e").opaque
        for headers in (*encrypted, {by: "AES256"}, {})
    ]
    assert found == [True, True, True, False, False]
