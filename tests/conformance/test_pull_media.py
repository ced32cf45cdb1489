"""Pull from a real S3 server into a folder, and do harm while it runs."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from slipway.sync import memory
from slipway.sync.landing import Landing
from tests.conformance.relay import Gate, Relay, Request
from tests.conformance.site import ROOT, Outcome, Site
from tests.conformance.test_push_media import fill

MEBIBYTE = 1024 * 1024


def put(site: Site, name: str, content: bytes, **extra: object) -> None:
    site.server.client.put_object(Bucket=site.bucket, Key=name, Body=content, **extra)


def local(site: Site) -> dict[str, bytes]:
    return {
        path.relative_to(site.media).as_posix(): path.read_bytes()
        for path in site.media.rglob("*")
        if path.is_file()
    }


def emptied(site: Site) -> None:
    for path in site.media.rglob("*"):
        if path.is_file():
            path.unlink()


def test_everything_arrives_and_a_second_run_fetches_nothing(site: Site) -> None:
    wanted = fill(site)
    site.push()
    emptied(site)
    said = site.pull()
    assert said.code == 0, said.stderr
    assert local(site) == wanted
    size = sum(len(content) for content in wanted.values())
    counts = {"downloaded": len(wanted), "skipped": 0, "deleted": 0, "failed": 0}
    assert said.fields.items() >= {**counts, "bytes_received": size}.items()
    assert f"{len(wanted)} files fetched (41.9 MB), 0 unchanged, verified" in said.stderr
    again = site.pull().fields
    assert again.items() >= {"downloaded": 0, "skipped": len(wanted), "requests": 1}.items()
    assert site.push().fields["uploaded"] == 0


def test_only_what_differs_is_fetched_and_nothing_is_deleted(site: Site) -> None:
    wanted = fill(site)
    site.push()
    site.write("only-here.txt", b"mine")
    put(site, "plain.txt", b"x" * len(wanted["plain.txt"]))
    put(site, "new.txt", b"new")
    said = site.pull().fields
    assert (said["downloaded"], said["skipped"], said["deleted"]) == (2, len(wanted) - 1, 0)
    there = local(site)
    assert there["plain.txt"] == b"x" * len(wanted["plain.txt"])
    assert there.keys() == wanted.keys() | {"new.txt", "only-here.txt"}


def test_the_time_that_the_sender_noted_is_kept(site: Site) -> None:
    put(site, "noted.txt", b"x", Metadata={"mtime": "1600000000.25"})
    put(site, "plain.txt", b"x")
    site.pull()
    assert (site.media / "noted.txt").stat().st_mtime_ns == 1_600_000_000_250_000_000
    stored = site.server.client.head_object(Bucket=site.bucket, Key="plain.txt")["LastModified"]
    assert (site.media / "plain.txt").stat().st_mtime == stored.timestamp()


def test_encoded_content_and_content_of_the_site_arrive_as_they_are_stored(site: Site) -> None:
    put(site, "page.html", b"\x1f\x8b not even gzip", ContentEncoding="gzip")
    film = os.urandom(20 * MEBIBYTE)
    path = site.write("film.mp4", film)
    site.server.client.upload_file(str(path), site.bucket, "film.mp4")  # in parts of 8 MiB
    path.unlink()
    assert site.pull().code == 0
    assert local(site) == {"page.html": b"\x1f\x8b not even gzip", "film.mp4": film}


def test_a_plan_changes_nothing(site: Site) -> None:
    put(site, "new.txt", b"new")
    site.write("old.txt", b"old")
    said = site.pull(options={"plan_only": True, "delete": True})
    assert said.code == 2
    assert [(c["action"], c["resource"]) for c in said.fields["changes"]] == [
        ("create", "new.txt"),
        ("delete", "old.txt"),
    ]
    assert local(site) == {"old.txt": b"old"}
    site.pull()
    assert site.pull(options={"plan_only": True}).code == 0


def test_names_that_lead_elsewhere_are_reported_and_nothing_is_written_outside(
    site: Site, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_bytes(b"kept")
    site.write("a.txt", b"a")
    (site.media / "way").symlink_to(outside)
    (site.media / "link.txt").symlink_to(outside / "kept.txt")
    for name in ("way/evil.txt", "way/kept.txt", "link.txt", "good.txt", "folder/"):
        put(site, name, b"" if name.endswith("/") else b"evil")
    said = site.pull()
    assert said.code == 9
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"kept.txt": b"kept"}
    assert said.fields.items() >= {"downloaded": 1, "failed": 3}.items()
    assert "way/evil.txt: a link or a file is in the way of its folder way" in said.stderr
    assert "link.txt: a link or a folder of this name is in the way" in said.stderr
    assert (site.media / "good.txt").read_bytes() == b"evil"


def test_deletion_asks_spares_the_rest_and_refuses_more_than_half(site: Site) -> None:
    for number in range(6):
        site.write(f"{number}.txt", str(number).encode())
    site.push()
    site.write("extra.txt", b"extra")
    asked = site.pull(options={"delete": True})
    assert asked.code == 8
    assert "- data/media/extra.txt" in asked.stderr
    assert "extra.txt" in local(site)
    assert site.pull(options={"delete": True, "yes": True}).fields["deleted"] == 1
    assert len(local(site)) == 6
    for number in range(4):
        site.server.client.delete_object(Bucket=site.bucket, Key=f"{number}.txt")
    refused = site.pull(options={"delete": True, "yes": True})
    assert refused.code == 1
    assert "4 of 6 files would be deleted, more than half" in refused.stderr
    assert len(local(site)) == 6
    told = {"delete": True, "yes": True, "delete_most": True}
    assert site.pull(options=told).fields["deleted"] == 4
    assert local(site).keys() == {"4.txt", "5.txt"}


def test_nothing_is_deleted_where_something_failed(site: Site) -> None:
    put(site, "a.txt", b"a")
    site.write("extra.txt", b"x")
    for number in range(3):
        site.write(f"{number}.txt", b"x")
        put(site, f"{number}.txt", b"x")
    put(site, "clash", b"x")
    put(site, "clash/deeper", b"x")
    said = site.pull(options={"delete": True, "yes": True})
    assert said.code == 9
    assert "nothing is deleted: 1 others have failed" in said.stderr
    assert "extra.txt" in local(site)


def part_files(site: Site) -> list[Path]:
    return list(site.media.rglob(".slipway-*"))


def test_a_cut_connection_is_mended_and_the_rest_goes_on_where_it_stopped(
    site: Site, through: Relay
) -> None:
    content = os.urandom(24 * MEBIBYTE)
    put(site, "film.mp4", content)
    put(site, "small.txt", b"small" * 100)
    cuts: list[Request] = []

    def harm(request: Request) -> None:
        if request.method == "GET" and "list-type" not in request.path and len(cuts) < 3:
            cuts.append(request)
            request.cut = 200_000

    through.harm = harm
    said = site.pull(through.endpoint)
    assert said.code == 0, said.stderr
    assert len(cuts) == 3
    assert local(site) == {"film.mp4": content, "small.txt": b"small" * 100}


def test_damage_on_the_way_never_takes_a_files_place(site: Site, through: Relay) -> None:
    put(site, "bad.txt", b"good content")
    put(site, "mended.txt", b"good content")
    site.write("bad.txt", b"old")
    seen: list[str] = []

    def harm(request: Request) -> None:
        if request.path.endswith("bad.txt"):
            request.flip = 4  # each reading agrees with the one before
        if request.path.endswith("mended.txt") and "mended" not in seen:
            request.flip = 0
            seen.append("mended")
        seen.append(request.path)

    through.harm = harm
    said = site.pull(through.endpoint)
    assert said.code == 9
    assert "bad.txt: arrived with other content" in said.stderr
    assert local(site) == {"bad.txt": b"old", "mended.txt": b"good content"}


@pytest.mark.parametrize("size", [1000, 20 * MEBIBYTE])
def test_an_object_that_changes_while_it_is_read_arrives_whole(
    site: Site, through: Relay, size: int
) -> None:
    put(site, "a.bin", os.urandom(size))
    new = os.urandom(size + 1)
    changed: list[Request] = []

    def harm(request: Request) -> None:
        if request.path.endswith("a.bin") and not changed:
            changed.append(request)
            put(site, "a.bin", new)

    through.harm = harm
    said = site.pull(through.endpoint)
    assert said.code == 0, said.stderr
    assert local(site) == {"a.bin": new}


def test_ctrl_c_leaves_whole_files_and_the_next_run_goes_on(site: Site, through: Relay) -> None:
    for number in range(40):
        put(site, f"{number}.txt", b"x" * 1000)
    site.write("1.txt", b"old")

    through.harm = gate = Gate(lambda request: request.path.endswith("/1.txt"))
    process = site.start(through.endpoint, flow=("pull:pull_media", "{}"))
    through.await_request("/1.txt")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    gate.open()
    assert process.returncode == 130
    assert "fetched; the next run goes on from there" in stderr
    assert set(local(site).values()) <= {b"x" * 1000, b"old"}
    assert part_files(site) == []
    assert local(site)["1.txt"] == b"old"
    assert site.pull().code == 0
    assert len(local(site)) == 40


def test_a_run_killed_at_any_moment_leaves_old_or_new_files_and_the_next_completes(
    site: Site, through: Relay
) -> None:
    wanted = {f"{number}/file.bin": os.urandom(50_000) for number in range(40)}
    wanted["large.bin"] = os.urandom(40 * MEBIBYTE)
    old = dict.fromkeys(list(wanted)[::3], b"old")
    for name, content in wanted.items():
        put(site, name, content)
    for name, content in old.items():
        site.write(name, content)
    allowed = {name: {content, old.get(name, content)} for name, content in wanted.items()}
    arrived: set[str] = set()
    for _ in range(8):
        through.seen.clear()
        stop = random.randrange(1, 44)
        process = site.start(through.endpoint, flow=("pull:pull_media", "{}"))
        while len(through.seen) < stop and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() * 0.05)
        process.kill()
        process.communicate()
        there = {n: c for n, c in local(site).items() if ".slipway-" not in n}
        assert all(content in allowed[name] for name, content in there.items())
        now = {name for name, content in there.items() if content == wanted[name]}
        assert arrived <= now
        arrived = now
    through.seen.clear()
    said = site.pull(through.endpoint)
    assert said.code == 0, said.stderr
    assert local(site) == wanted
    assert said.fields["downloaded"] == len(wanted) - len(arrived)


def left_over(site: Site) -> int:
    with suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in part_files(site))
    return 0


def test_a_large_file_goes_on_where_a_killed_run_stopped(site: Site, through: Relay) -> None:
    content = os.urandom(64 * MEBIBYTE)
    put(site, "large.bin", content)
    through.harm = gate = Gate(lambda one: f"bytes={24 * MEBIBYTE}-" in str(one.headers))
    process = site.start(through.endpoint, flow=("pull:pull_media", "{}"))
    deadline = time.monotonic() + 60
    while left_over(site) < 24 * MEBIBYTE:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    gate.open()
    said = site.pull()
    assert local(site) == {"large.bin": content}
    assert said.fields["bytes_received"] == len(content) - 24 * MEBIBYTE


def test_nothing_is_remembered_that_a_loss_of_power_could_take(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, "a.txt", b"content")
    monkeypatch.setattr(memory, "SETTLED", -(10**12))

    def lose_power(_: Landing) -> None:
        raise OSError(errno.EIO, "the power went")

    with monkeypatch.context() as dark:
        dark.setattr(Landing, "settle", lose_power)
        with pytest.raises(OSError, match="the power went"):
            site.pull()
    state = site.root / ".state"
    with memory.remembered(state, "test") as remembered:
        assert remembered.known() == {}
    site.pull()
    with memory.remembered(state, "test") as remembered:
        assert remembered.known().keys() == {"a.txt"}


def test_two_pulls_at_once_do_not_disturb_each_other(site: Site, through: Relay) -> None:
    put(site, "a.txt", b"a")
    over = threading.Event()
    through.harm = lambda _: (over.wait(60), None)[1]
    first = site.start(through.endpoint, flow=("pull:pull_media", "{}"))
    through.await_request("list-type")
    second = site.pull()
    over.set()
    stdout, _ = first.communicate(timeout=60)
    assert second.code == 1
    assert "pull into data/media: another run is under way" in second.stderr
    assert json.loads(stdout)["downloaded"] == 1


def test_a_file_that_is_written_here_meanwhile_is_kept(site: Site, through: Relay) -> None:
    put(site, "a.txt", b"cloud")
    site.write("a.txt", b"local")

    def harm(request: Request) -> None:
        if request.path.endswith("a.txt"):
            site.write("a.txt", b"edited")

    through.harm = harm
    said = site.pull(through.endpoint)
    assert said.code == 9
    assert "a.txt: changed here meanwhile, and stays" in said.stderr
    assert local(site) == {"a.txt": b"edited"}


SMALL_DISK = """
mount -t tmpfs -o {options} tmpfs "$1/data/media" && cp -a "$1/before/." "$1/data/media/"
"$2" -m tests.conformance.push "$1" pull:pull_media '{{}}'
code=$?
cp -a "$1/data/media" "$1/after"
exit $code
"""


def pulled_onto_a_small_disk(site: Site, options: str) -> Outcome:
    """Pull onto a disk of its own that nobody else sees; what it holds then lies in `after`."""
    (site.root / "before").mkdir()
    (site.root / "before" / "0.bin").write_bytes(b"old")
    site.media.mkdir(parents=True)
    site.prepare()
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = SMALL_DISK.format(options=options)
    words = ["unshare", *user, "--mount", "sh", "-c", script, "sh", str(site.root), sys.executable]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("size=40m,nr_inodes=8", "no room is left on this disk after"),
        ("size=16m", "4.0 MB are to come, and 0 B are free on this disk; make room"),
    ],
)
def test_a_full_disk_leaves_everything_whole(site: Site, options: str, line: str) -> None:
    for number in range(20):
        put(site, f"{number}.bin", b"x" * 200_000)
    said = pulled_onto_a_small_disk(site, options)
    assert said.code == 1
    assert f"data/media: {line}" in said.stderr
    after = {path.name: path.read_bytes() for path in (site.root / "after").iterdir()}
    assert after
    assert set(after.values()) <= {b"old", b"x" * 200_000}
    assert not [name for name in after if name.startswith(".slipway-")]
    assert site.pull().fields["downloaded"] == 20
