import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.relay import Gate, Relay, Request
from tests.conformance.site import Site

MEBIBYTE = 1024 * 1024
NAMES = {
    "plain.txt": "text/plain",
    "uploads/2024/Straße nach Süden.JPG": "image/jpeg",
    "nfc-\u00e9.png": "image/png",
    "nfd-e\u0301.png": "image/png",
    "twin-\u00e9": "application/octet-stream",
    "twin-e\u0301": "application/octet-stream",
    "日本/資料.pdf": "application/pdf",
    "a+b & c=d%20e#f?g.css": "text/css",
    "quote'\"<tag>{x}[y]|z^~`.svg": "image/svg+xml",
    " leading and trailing ": "application/octet-stream",
    "deep/er/and/deeper/film.mp4": "video/mp4",
}


def fill(site: Site) -> dict[str, bytes]:
    wanted = {name: os.urandom(100 + 10 * number) for number, name in enumerate(NAMES)}
    wanted["empty.bin"] = b""
    wanted["deep/large.mov"] = os.urandom(40 * MEBIBYTE + 5)
    for name, content in wanted.items():
        site.write(name, content)
    return wanted


def test_everything_arrives_byte_for_byte_with_its_type(site: Site, through: Relay) -> None:
    wanted = fill(site)
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert site.server.contents(site.bucket) == wanted
    for name, kind in NAMES.items():
        assert site.server.client.head_object(Bucket=site.bucket, Key=name)["ContentType"] == kind
    size = sum(len(content) for content in wanted.values())
    counts = {"uploaded": len(wanted), "skipped": 0, "deleted": 0, "failed": 0, "bytes_sent": size}
    assert said.fields.items() >= counts.items()
    assert said.fields["requests"] == len(through.seen)
    assert f"{len(wanted)} files sent (41.9 MB), 0 unchanged, verified" in said.stderr


def test_no_request_asks_for_an_acl(site: Site, through: Relay) -> None:
    fill(site)
    site.push(through.endpoint)
    assert through.seen
    for request in through.seen:
        assert "acl" not in f"{request.path} {' '.join(request.headers)}".lower()


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_second_run_sends_nothing(site: Site, forgotten: bool) -> None:
    count = len(fill(site))
    site.push()
    if forgotten:
        (site.root / ".state" / "media-test.sqlite").unlink()
    said = site.push().fields
    assert said.items() >= {"uploaded": 0, "skipped": count, "bytes_sent": 0, "requests": 1}.items()


def test_only_what_changed_is_sent_and_nothing_is_deleted(site: Site) -> None:
    wanted = fill(site)
    site.push()
    changed = site.write("plain.txt", b"x" * len(wanted["plain.txt"]))
    os.utime(changed, (1_000_000_000, 1_000_000_000))
    (site.media / "empty.bin").unlink()
    site.write("new.txt", b"new")
    said = site.push().fields
    assert (said["uploaded"], said["skipped"]) == (2, len(wanted) - 2)
    there = site.server.contents(site.bucket)
    assert there["plain.txt"] == b"x" * len(wanted["plain.txt"])
    assert there.keys() == wanted.keys() | {"new.txt"}


def test_what_the_site_itself_stored_counts_as_there(site: Site) -> None:
    content = os.urandom(20 * MEBIBYTE)
    path = site.write("film.mp4", content)
    site.server.client.upload_file(str(path), site.bucket, "film.mp4")
    assert "-3" in site.server.client.head_object(Bucket=site.bucket, Key="film.mp4")["ETag"]
    assert site.push().fields["uploaded"] == 0


def test_a_prefix_keeps_to_itself(site: Site) -> None:
    site.write("a.txt", b"mine")
    site.server.client.put_object(Bucket=site.bucket, Key="a.txt", Body=b"other")
    assert site.push(prefix="one/two").fields["uploaded"] == 1
    assert site.push(prefix="one/two").fields["skipped"] == 1
    assert site.server.contents(site.bucket) == {"a.txt": b"other", "one/two/a.txt": b"mine"}


def test_more_than_a_page_is_listed(site: Site, through: Relay) -> None:
    for number in range(1100):
        site.write(f"{number:04}.txt", str(number).encode())
    assert site.push(through.endpoint).fields["uploaded"] == 1100
    through.seen.clear()
    said = site.push(through.endpoint).fields
    assert (said["skipped"], said["requests"], len(through.seen)) == (1100, 2, 2)


def test_files_that_cannot_be_sent_are_named_and_the_rest_arrives(site: Site) -> None:
    site.write("good.txt", b"good")
    for name in ("back\\slash", "new\nline"):
        site.write(name, b"bad")
    (site.media / os.fsdecode(b"latin-\xe9")).write_bytes(b"bad")
    (site.media / "outside").symlink_to("/etc/hostname")
    (site.media / "nowhere").symlink_to("gone")
    os.mkfifo(site.media / "pipe")
    said = site.push()
    assert said.code == 9
    assert said.fields.items() >= {"uploaded": 1, "failed": 6, "exit_code": 9}.items()
    for words in (
        "back\\slash: its name holds a backslash",
        "new\\nline: its name holds a control character",
        "latin-\\udce9: its name is not UTF-8",
        "outside: is a link that leads out of the folder",
        "nowhere: No such file or directory",
        "pipe: is no ordinary file",
    ):
        assert f"data/media/{words}\n" in said.stderr
    assert site.server.keys(site.bucket) == ["good.txt"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"key": "wrong"}, "does not know the access key of the DSN; run 'invoke provision'"),
        ({"secret": "wrong"}, "refuses the secret of the DSN's access key"),
        ({"bucket": "no-such-bucket"}, "has no such bucket; run 'invoke provision'"),
        ({"endpoint": "http://127.0.0.1:1"}, "refuses connections"),
        ({"endpoint": "http://s3.invalid"}, "cannot be found by name; check storage.endpoint"),
    ],
)
def test_a_refusal_is_one_line_within_seconds(
    site: Site, changes: dict[str, str], line: str
) -> None:
    site.write("a.txt", b"a")
    begin = time.monotonic()
    said = site.push(**changes)
    assert time.monotonic() - begin < 15
    assert said.code == 5
    errors = [text for text in said.stderr.splitlines() if line in text]
    assert len(errors) == 1
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


def test_nothing_of_the_callers_environment_leaks_in(site: Site, through: Relay) -> None:
    site.write("a.txt", b"a")
    foreign = {
        "AWS_ACCESS_KEY_ID": "foreign",
        "AWS_SECRET_ACCESS_KEY": "foreign",
        "AWS_SESSION_TOKEN": "foreign-token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_PROFILE": "no-such-profile",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }
    said = site.push(through.endpoint, foreign)
    assert said.code == 0, said.stderr
    assert len(through.seen) == 2
    for request in through.seen:
        assert "foreign" not in str(request.headers)
        assert not {"x-amz-security-token", "x-amz-server-side-encryption"} & {
            name.lower() for name in request.headers
        }


def test_damage_on_the_way_is_noticed_by_the_server_and_mended(site: Site, through: Relay) -> None:
    harmed: set[str] = set()

    def harm(request: Request) -> None:
        if request.method == "PUT" and request.path not in harmed:
            harmed.add(request.path)
            request.body = b"?" + request.body[1:]

    through.harm = harm
    for name in ("a.txt", "b.txt"):
        site.write(name, name.encode() * 50)
    said = site.push(through.endpoint)
    assert said.fields.items() >= {"uploaded": 2, "failed": 0}.items()
    assert len(harmed) == 2
    assert site.server.contents(site.bucket) == {n: n.encode() * 50 for n in ("a.txt", "b.txt")}


def test_lasting_damage_is_reported_and_never_stored(site: Site, through: Relay) -> None:
    def harm(request: Request) -> None:
        if request.path.endswith("bad.txt"):
            request.body = b"?" + request.body[1:]

    through.harm = harm
    site.write("bad.txt", b"content")
    site.write("good.txt", b"content")
    said = site.push(through.endpoint)
    assert said.code == 9
    assert "data/media/bad.txt: was damaged on the way" in said.stderr
    assert site.server.keys(site.bucket) == ["good.txt"]


def test_a_storm_of_refusals_is_weathered(site: Site, through: Relay) -> None:
    def harm(request: Request) -> None:
        if request.number % 5 in {0, 2}:
            request.answer = 503

    through.harm = harm
    for number in range(60):
        site.write(f"{number}.txt", os.urandom(1000))
    assert site.push(through.endpoint).fields["uploaded"] == 60
    assert len(site.server.keys(site.bucket)) == 60


def parts_put(relay: Relay) -> list[str]:
    """Return the numbers of the parts that were sent."""
    return [
        request.path.partition("partNumber=")[2].partition("&")[0]
        for request in relay.seen
        if request.method == "PUT" and "partNumber=" in request.path
    ]


def test_ctrl_c_stops_before_the_requests_under_way_end_and_the_next_run_goes_on(
    site: Site, through: Relay
) -> None:
    wanted = os.urandom(100 * MEBIBYTE)
    site.write("large.bin", wanted)
    site.write("small.txt", b"small")
    through.harm = gate = Gate(lambda request: "partNumber=3&" in request.path)
    process = site.start(through.endpoint)
    through.await_answers("small.txt", *(f"partNumber={number}&" for number in (1, 2, 4, 5, 6, 7)))
    process.send_signal(signal.SIGINT)
    # The request for the third part is never answered.
    _, stderr = process.communicate(timeout=50)
    gate.open()
    through.await_silence()
    assert process.returncode == 130
    assert "! stopped, 1 of 2 files sent; the next run goes on from there\n" in stderr
    assert "Traceback" not in stderr
    assert site.server.keys(site.bucket) == ["small.txt"]
    through.harm = lambda _: None
    through.seen.clear()
    said = site.push(through.endpoint).fields
    assert (said["uploaded"], said["skipped"]) == (1, 1)
    assert parts_put(through) == ["3"]
    assert said["bytes_resumed"] == (100 - 16) * MEBIBYTE
    assert site.server.contents(site.bucket) == {"large.bin": wanted, "small.txt": b"small"}
    assert site.server.unfinished(site.bucket) == []


def test_parts_of_a_killed_run_are_used_or_removed_by_the_next(site: Site, through: Relay) -> None:
    site.write("gone.bin", os.urandom(50 * MEBIBYTE))
    client = site.server.client
    client.create_multipart_upload(Bucket=site.bucket, Key="somebody-elses.bin")
    through.harm = gate = Gate(lambda request: "partNumber" in request.path)
    process = site.start(through.endpoint)
    through.await_request("partNumber=1&")
    process.kill()
    process.communicate()
    gate.open()
    through.await_silence()
    assert sorted(site.server.unfinished(site.bucket)) == ["gone.bin", "somebody-elses.bin"]
    (site.media / "gone.bin").unlink()
    assert site.push().fields["uploaded"] == 0
    assert site.server.unfinished(site.bucket) == ["somebody-elses.bin"]


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Append to a file every few milliseconds, for less time than any of its parts takes."""
    over = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not over.wait(0.005):
                file.write(b"more")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_large_file_that_grows_while_it_is_sent_never_becomes_visible(site: Site) -> None:
    path = site.write("large.bin", os.urandom(40 * MEBIBYTE))
    with growing(path):
        said = site.push()
    assert said.code == 9
    assert "data/media/large.bin: is being written to" in said.stderr
    assert site.server.keys(site.bucket) == []
    assert site.server.unfinished(site.bucket) == []


def test_two_runs_at_once_do_not_disturb_each_other(site: Site, through: Relay) -> None:
    site.write("large.bin", os.urandom(20 * MEBIBYTE))
    over = threading.Event()

    def hold(request: Request) -> None:
        if "partNumber" in request.path:
            over.wait(50)

    through.harm = hold
    first = site.start(through.endpoint)
    through.await_request("partNumber=1&")
    second = site.push(through.endpoint)
    over.set()
    stdout, _ = first.communicate(timeout=60)
    assert second.code == 1
    assert "another run is under way; wait until it has ended" in second.stderr
    assert first.returncode == 0
    assert '"uploaded": 1' in stdout


def test_local_files_are_only_read(site: Site) -> None:
    fill(site)
    before = {path: path.stat().st_mtime_ns for path in files(site.media)}
    site.push()
    assert {path: path.stat().st_mtime_ns for path in files(site.media)} == before


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
