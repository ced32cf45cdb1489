"""Interrupt pushes to a host's disk, and fill it: what is there stays whole."""

import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from slipway.console import Console
from slipway.errors import StorageError
from slipway.media import push_media
from slipway.objects import volume_files
from slipway.objects.volume import Place, VolumeBucket
from slipway.settings.hosts import Host
from tests.conformance import volume_push
from tests.conformance.database.servers import docker, until
from tests.conformance.site import ROOT
from tests.unit.factory import environment

MEBIBYTE = 1024 * 1024
KILLS = (20, 150)  # files that have arrived


@pytest.fixture
def place(machine: tuple[str, Host]) -> Iterator[Place]:
    """Give a folder on a small disk of the host: its shared memory, of 64 MiB."""
    name, host = machine
    home = f"/dev/shm/{secrets.token_hex(4)}"
    inside(name, f"mkdir -p {home}/data && chown 1000:1000 {home}/data")
    yield Place(host, f"{home}/data/media", f"{home}/media.sqlite")
    inside(name, f"rm -rf {home}")


def inside(machine: str, command: str) -> str:
    return docker("exec", machine, "sh", "-c", command).strip()


def fill(root: Path, contents: dict[str, bytes]) -> dict[str, bytes]:
    for name, content in contents.items():
        path = root / "data" / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return contents


def present(place: Place) -> dict[str, str]:
    """Return names and the MD5 of what is on the host."""
    with closing(VolumeBucket(place)) as bucket:
        return {there.name: there.etag for there in bucket.listing().objects}


def arrivals(machine: str, place: Place) -> int:
    return int(inside(machine, f"find {place.folder} -name '*.txt' 2>/dev/null | wc -l"))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def push(root: Path, place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with closing(VolumeBucket(place)) as bucket:
        push_media(environment(root=root), Console(as_json=True), bucket=bucket)
    return capsys.readouterr().out


def test_a_push_killed_in_the_middle_leaves_whole_files_and_the_next_sends_the_rest(
    machine: tuple[str, Host], place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {f"{n % 9}/{n}.txt": os.urandom(1000 + n) for n in range(300)}
    contents = fill(tmp_path, {**small, "film.bin": os.urandom(20 * MEBIBYTE)})
    wanted = {name: md5(content) for name, content in contents.items()}
    arrived: dict[str, str] = {}
    for count in KILLS:
        words = [sys.executable, "-m", "tests.conformance.volume_push"]
        words += volume_push.arguments(tmp_path, place)
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
        until(lambda count=count: arrivals(machine[0], place) >= count)  # type: ignore[misc]
        process.kill()
        process.wait()
        # What is under way on the host comes to its end by itself.
        until(lambda: inside(machine[0], "pgrep --count python3 || true") == "0")
        there = present(place)
        assert there.items() <= wanted.items()
        assert arrived.keys() <= there.keys()
        arrived = there
    sent = len(wanted) - len(arrived)
    assert f'"uploaded": {sent}, "skipped": {len(arrived)}' in push(tmp_path, place, capsys)
    assert present(place) == wanted


def test_a_full_disk_of_the_host_harms_nothing_and_is_gone_on_from(
    machine: tuple[str, Host], place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, {"a.txt": b"first", "b.txt": b"first"})
    push(tmp_path, place, capsys)
    filler = f"{Path(place.cache).parent}/filler"
    inside(machine[0], f"dd if=/dev/zero of={filler} bs=1M count=54 status=none")
    film = os.urandom(24 * MEBIBYTE)
    fill(tmp_path, {"a.txt": b"second", "film.bin": film})
    with pytest.raises(StorageError, match="has no room left; make room there, then run it again"):
        push(tmp_path, place, capsys)
    there = present(place)
    assert there.keys() == {"a.txt", "b.txt"}
    assert there["a.txt"] in {md5(b"first"), md5(b"second")}
    inside(machine[0], f"rm {filler}")
    assert '"failed": 0' in push(tmp_path, place, capsys)
    wanted = {"a.txt": md5(b"second"), "b.txt": md5(b"first"), "film.bin": md5(film)}
    assert present(place) == wanted


def test_a_listing_whose_connection_breaks_between_pages_is_whole(
    machine: tuple[str, Host], place: Place
) -> None:
    count = volume_files.PAGE + 3
    inside(machine[0], f"mkdir {place.folder} && cd {place.folder} && seq {count} | xargs touch")
    with closing(VolumeBucket(place)) as bucket:
        objects = bucket.listing().objects
        first = next(objects)
        assert bucket._session
        bucket._session._process.kill()
        bucket._session._process.wait()
        names = [there.name for there in (first, *objects)]
    assert names == sorted(str(number) for number in range(1, count + 1))
