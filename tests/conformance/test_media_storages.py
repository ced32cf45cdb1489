"""Push and pull media through every storage: the same flows, the same promises."""

import base64
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from slipway.console import Console
from slipway.dsn import AzDsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.media import push_media
from slipway.objects.azure import AzureBucket
from slipway.objects.bucket import Bucket, Meta
from slipway.pull import pull_media
from slipway.secrets import Secret
from slipway.settings.media import Media
from slipway.settings.storage import Storage
from slipway.sync.memory import remembered
from slipway.sync.reading import stamp_of
from slipway.undo_media import undo_media
from tests.conformance import relay
from tests.conformance.relay import Request
from tests.unit.factory import environment

MEBIBYTE = 1024 * 1024
NAMES = (
    "plain.txt",
    "a/b/Stra\u00dfe.jpg",
    "nfc-\u00e9",
    "nfd-e\u0301",
    "a+b%20c#d?.css",
    " x ",
    "empty",
)


class Colleague:
    """Hold somebody's checkout of the same environment."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.media = root / "data" / "media"
        self.media.mkdir(parents=True)
        settings = Media(cache_control=(("*.css", "max-age=60"),))
        self.environment: Environment = environment(root=root, media=settings)
        self._capsys = capsys

    def write(self, name: str, content: bytes) -> Path:
        path = self.media / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(1_600_000_000_250_000_000,) * 2)
        return path

    def push(self, bucket: Bucket, **options: Any) -> dict[str, Any]:
        return self.run(push_media, bucket, options)

    def pull(self, bucket: Bucket, **options: Any) -> dict[str, Any]:
        return self.run(pull_media, bucket, options)

    def run(self, flow: Any, bucket: Bucket, options: dict[str, Any]) -> dict[str, Any]:
        self._capsys.readouterr()
        flow(self.environment, Console(as_json=True, assume_yes=True), bucket=bucket, **options)
        fields: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return fields

    def contents(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.media).as_posix(): path.read_bytes()
            for path in self.media.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Colleague:
    return Colleague(tmp_path / "here", capsys)


@pytest.fixture
def there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Colleague:
    return Colleague(tmp_path / "there", capsys)


def test_media_go_from_one_machine_to_another(
    bucket: Bucket, here: Colleague, there: Colleague
) -> None:
    wanted = {name: os.urandom(100 + number) for number, name in enumerate(NAMES)}
    wanted |= {"empty": b"", "deep/large.mov": os.urandom(40 * MEBIBYTE + 5)}
    for name, content in wanted.items():
        here.write(name, content)
    count, size = len(wanted), sum(map(len, wanted.values()))
    sent = {"uploaded": count, "skipped": 0, "failed": 0, "bytes_sent": size}
    assert here.push(bucket).items() >= sent.items()
    nothing = {"uploaded": 0, "skipped": count, "failed": 0, "bytes_sent": 0}
    assert here.push(bucket).items() >= nothing.items()
    got = {"downloaded": count, "skipped": 0, "failed": 0, "bytes_received": size}
    assert there.pull(bucket).items() >= got.items()
    assert there.contents() == wanted
    assert {path.stat().st_mtime_ns for path in there.media.rglob("*") if path.is_file()} == {
        1_600_000_000_250_000_000
    }
    assert there.pull(bucket).items() >= {"downloaded": 0, "skipped": count}.items()
    assert there.push(bucket).items() >= {"uploaded": 0, "skipped": count}.items()


def test_what_changed_and_what_went_follow_in_both_directions(
    bucket: Bucket, here: Colleague, there: Colleague
) -> None:
    for number in range(6):
        here.write(f"{number}.txt", b"first" + bytes(number))
    here.push(bucket)
    there.pull(bucket)
    there.write("1.txt", b"other" + b"?")
    there.write("new/file.txt", b"new")
    (there.media / "2.txt").unlink()
    pushed = there.push(bucket, delete=True)
    assert (pushed["uploaded"], pushed["deleted"]) == (2, 1)
    pulled = here.pull(bucket, delete=True)
    assert (pulled["downloaded"], pulled["deleted"], pulled["failed"]) == (2, 1, 0)
    assert here.contents() == there.contents()


def test_a_renamed_file_is_copied_over_there(bucket: Bucket, here: Colleague) -> None:
    here.write("old.txt", b"content" * 1000)
    here.push(bucket)
    (here.media / "old.txt").rename(here.media / "new.css")
    assert here.push(bucket).items() >= {"copied": 1, "bytes_sent": 0}.items()
    assert b"".join(bucket.read("new.css")) == b"content" * 1000


def test_what_the_site_wrote_meanwhile_in_the_same_size_is_noticed(
    bucket: Bucket, here: Colleague, there: Colleague
) -> None:
    here.write("a.txt", b"mine")
    here.write("b.txt", b"same")
    here.push(bucket)
    there.pull(bucket)
    bucket.put("a.txt", b"site", Meta("text/plain"), hashlib.md5(b"site").digest())
    assert there.pull(bucket).items() >= {"downloaded": 1, "skipped": 1}.items()
    assert there.contents() == {"a.txt": b"site", "b.txt": b"same"}
    assert here.push(bucket).items() >= {"uploaded": 1, "skipped": 1}.items()
    assert b"".join(bucket.read("a.txt")) == b"mine"


def test_checksum_reads_what_is_remembered_wrongly(
    bucket: Bucket, here: Colleague, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = here.write("a.txt", b"first")
    here.push(bucket)
    etag = next(iter(bucket.listing().objects)).etag
    path.write_bytes(b"other")
    with remembered(here.environment.root / ".state", here.environment.name) as memory:
        stamp = stamp_of(str(path))
        monkeypatch.setattr("slipway.sync.memory.SETTLED", -(10**12))
        memory.learn("a.txt", stamp, etag)
    assert here.push(bucket).items() >= {"uploaded": 0, "skipped": 1}.items()
    assert here.push(bucket, checksum=True).items() >= {"uploaded": 1, "skipped": 0}.items()
    assert b"".join(bucket.read("a.txt")) == b"other"


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("az://shop:a2V5@blob.core.windows.net/media/", "its portal"),
        ("file:///data/media/?url=%2Fmedia%2F", "a backup of the host's disk"),
    ],
)
def test_undo_is_refused_where_nothing_earlier_is_kept(
    here: Colleague, address: str, hint: str
) -> None:
    provider = {"a": "azure", "f": "volume"}[address[0]]
    settings = Storage(provider, "media" if provider == "azure" else "")
    variables = {"DEFAULT_STORAGE_DSN": Secret(address)}
    where = replace(here.environment, storage=settings, variables=variables)
    with pytest.raises(StorageError, match="keeps no earlier versions") as refused:
        undo_media(where, Console(assume_yes=True))
    assert hint in refused.value.hint


def test_a_push_to_azure_that_breaks_off_goes_on_where_it_stopped(
    container: AzDsn, here: Colleague
) -> None:
    here.write("film.bin", os.urandom(40 * MEBIBYTE))
    bucket = AzureBucket(container)
    server = urlsplit(container.endpoint)
    with relay.relaying(server.port or 0) as through:

        def refuse_the_second_part(request: Request) -> None:
            block = parse_qs(request.path.partition("?")[2]).get("blockid", [""])[0]
            if base64.b64decode(block).split(b"-")[1:2] == [b"00002"]:
                through.await_number_of_answers(2)
                request.answer = 403

        through.harm = refuse_the_second_part
        address = replace(container, endpoint=f"{through.endpoint}{server.path}")
        with pytest.raises(StorageError):
            here.push(AzureBucket(address))
    assert list(bucket.listing().objects) == []
    said = here.push(bucket)
    assert said.items() >= {"uploaded": 1, "bytes_resumed": 24 * MEBIBYTE}.items()
    assert b"".join(bucket.read("film.bin")) == (here.media / "film.bin").read_bytes()
