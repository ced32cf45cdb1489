"""Measure how media are pushed: `python -m bench.media [--quick] [--json FILE]`.

Sets: A small files, B middle ones, C large ones, D one in a hundred changed and some new and
gone, E nothing changed. The server is a SeaweedFS on this machine, here or behind a slow link.
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import boto3
from botocore.config import Config

from bench import link, mediasets
from bench.harness import Entry, Options, main
from bench.medialimit import Sender
from bench.mediatools import KEY, SECRET, Peers, Push, Slipway, Target
from bench.peers import STATE
from bench.rows import OURS
from slipway.command import Command, Shell

ARCHIVE = "tar.gz, not unpacked"
NUMBERS = itertools.count(1)
LINKS = {"40 ms, 1 Gbit": (40, 1000), "40 ms, 50 Mbit": (40, 50)}


class Server:
    """Hold a server's address and its buckets."""

    def __init__(self, host: str, port: int) -> None:
        self.endpoint = f"http://{host}:{port}"
        self._client = boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            region_name="us-east-1", config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def fresh(self) -> str:
        """Make a bucket and warm it up."""
        name = f"bench-{next(NUMBERS)}"
        self._client.create_bucket(Bucket=name)
        self._client.put_object(Bucket=name, Key="warm", Body=b"up")
        self._client.delete_object(Bucket=name, Key="warm")
        return name

    def drop(self, bucket: str) -> None:
        """Delete a bucket with all that is in it: SeaweedFS has room for some only."""
        self._client.delete_bucket(Bucket=bucket)

    def wait(self) -> None:
        """Wait until the server stores something; each bucket takes room, so in one bucket."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self._client.create_bucket(Bucket="warm-up")
                self._client.put_object(Bucket="warm-up", Key="warm", Body=b"up")
                return
            except self._client.exceptions.BucketAlreadyOwnedByYou:
                self._client.delete_bucket(Bucket="warm-up")
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


@contextmanager
def serving(folder: Path, host: str, before: list[str]) -> Iterator[Server]:
    """Start a server; `before` is what runs it elsewhere."""
    folder.mkdir()
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.defpath}")
    names = ("master", "volume", "filer", "s3", "admin")
    # gRPC takes the ports 10,000 above; a server that was left behind may hold others.
    begin = random.randrange(20_000, 45_000, 10)
    ports = dict(zip(names, range(begin, begin + 5), strict=True))
    words = [*before, str(weed), "mini", f"-dir={folder}", f"-ip={host}", "-ip.bind=0.0.0.0"]
    words += [f"-{name}.port={port}" for name, port in ports.items()]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"]
    variables = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with (folder / "log").open("wb") as log:
        command = Command.of(*words, env=variables)
        process = Shell().start(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Server(host, ports["s3"])
        finally:
            process.terminate()
            process.wait()


class Case:
    """Build the entries of one case: a folder and a bucket for each tool."""

    def __init__(self, name: str, server: Server, work: Path, ours: Slipway) -> None:
        self.name, self._server, self._work, self._ours = name, server, work, ours
        self._targets: dict[str, Target] = {}

    def fresh(self, tool: str, push: Push, folder: Path) -> Entry:
        """Return an entry that sends everything into an empty bucket."""

        def prepare() -> None:
            if tool in self._targets:
                self._server.drop(self._targets[tool].bucket)
            self._targets[tool] = Target(folder, self._server.fresh(), self._server.endpoint)
            if tool == OURS:
                self._ours.forget()
                self._ours.prepare(self._targets[tool])

        return Entry(self.name, tool, lambda: push(self._targets[tool]), prepare)

    def again(self, tool: str, push: Push, change: Callable[[Path, int], None] | None) -> Entry:
        """Return an entry that sends what changed since the last run, or nothing."""
        turns = itertools.count(1)

        def prepare() -> None:
            turn = next(turns)
            if turn == 1:
                place = f"copy-{self.name}-{tool}".replace(" ", "-")
                folder = mediasets.copy(self._work / "A", self._work / place)
                target = Target(folder, self._server.fresh(), self._server.endpoint)
                self._targets[tool] = target
                if tool == OURS:
                    self._ours.forget()
            if tool == OURS:
                self._ours.prepare(self._targets[tool])
            if turn == 1:
                time.sleep(2.1)
                push(self._targets[tool])
            if change:
                change(self._targets[tool].folder, turn)

        return Entry(self.name, tool, lambda: push(self._targets[tool]), prepare)


def cases(options: Options, server: Server, work: Path, place: str, kinds: str) -> Iterator[Entry]:
    """Yield the entries of the sets `kinds` at a place."""
    sizes = mediasets.Sizes.of(quick=options.quick)
    peers, ours = Peers(), Slipway(work / f"site {place}".replace(" ", "-"))
    slow = place != "loopback"
    # Far behind in every case, and never the measure of anything: --quick does without them.
    patient = not (slow or options.quick)

    def change(folder: Path, turn: int) -> None:
        mediasets.change(folder, sizes, turn)

    for kind in kinds:
        case = Case(f"{kind}, {place}", server, work, ours)
        if kind in "ABC":
            yield case.fresh(OURS, ours.push, work / kind)
            many = {"A": 64 if slow else 32, "B": 16, "C": 4}[kind]
            tools = {"rclone": peers.rclone(many), "s5cmd": peers.s5cmd(large=kind != "A")}
            if patient:
                tools |= {"aws": peers.aws, ARCHIVE: peers.archive}
            for tool, push in tools.items():
                # Before it is unpacked, which is not counted, nobody can ask for a file of it.
                yield replace(case.fresh(tool, push, work / kind), apart=tool == ARCHIVE)
            if kind == "A" and not slow:
                yield _limit(case, server, work / kind)
        else:
            tools = {
                OURS: ours.push,
                "rclone": peers.rclone(64 if slow else 32, checksums=True),
                "rclone by time": peers.rclone(
                    64 if slow else 32, "--update", "--use-server-modtime", checksums=True
                ),
                "s5cmd": peers.s5cmd(large=False),
            }
            if patient:
                tools["aws"] = peers.aws
            for tool, push in tools.items():
                yield case.again(tool, push, change if kind == "D" else None)


def _limit(case: Case, server: Server, folder: Path) -> Entry:
    ready: list[Sender] = []

    def prepare() -> None:
        ready[:] = [Sender(server.endpoint, server.fresh(), folder, KEY, SECRET)]

    return Entry(case.name, "bare requests", lambda: ready[0].send(), prepare, limit=True)


class Links:
    """Hold the server at the other end, and the link to it, of which one is up at a time."""

    def __init__(self, end: link.Far, server: Server, stack: ExitStack) -> None:
        self.server = server
        self._end = end
        self._up = ""
        self._link = stack.enter_context(ExitStack())

    def through(self, place: str, entry: Entry) -> Entry:
        """Return an entry that has the link of a place up when it runs."""

        def prepare() -> None:
            if self._up != place:
                self._link.close()
                self._link.enter_context(link.joined(self._end, *LINKS[place]))
                self._up = place
                self.server.wait()
            entry.prepare()

        return replace(entry, prepare=prepare)


@contextmanager
def build(options: Options) -> Iterator[list[Entry]]:
    """Set everything up, yield the entries, and take all down."""
    STATE.mkdir(parents=True, exist_ok=True)
    sizes = mediasets.Sizes.of(quick=options.quick)
    makers = {"A": mediasets.small, "B": mediasets.middle, "C": mediasets.large}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=STATE)))
        for kind, make in makers.items():
            make(work / kind, sizes)
        server = stack.enter_context(serving(work / "here", "127.0.0.1", []))
        server.wait()
        entries = list(cases(options, server, work, "loopback", "ABCED"))
        if link.possible():
            end = stack.enter_context(link.far())
            away = stack.enter_context(serving(work / "there", link.THERE, end.inside))
            links = Links(end, away, stack)
            for place, kinds in zip(LINKS, ("AED", "A"), strict=True):
                found = cases(options, away, work, place, kinds)
                entries += [links.through(place, entry) for entry in found]
        else:
            print("no slow link: it needs root, /dev/net/tun and iproute2", file=sys.stderr)
        yield entries


if __name__ == "__main__":
    sys.exit(main("push media beside other tools", build))
