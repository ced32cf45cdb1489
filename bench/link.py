"""Make a slow link: a network of its own behind a relay that delays packets and limits the rate.

The kernel's netem is not everywhere. Two TUN devices, one here and one in another network
namespace, are joined by this process; packets of up to 64 KiB pass as the kernel hands them
over (GSO), so that Python keeps up with a gigabit. Needs root and /dev/net/tun.

`python -m bench.link PID MILLISECONDS MEGABITS` relays between here and the namespace of PID.
"""

import ctypes
import fcntl
import os
import shutil
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway.command import Command, Shell

HERE, THERE = "10.77.0.1", "10.77.0.2"
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x1000, 0x4000
CHECKSUM, TSO4, TSO6 = 1, 2, 4
LARGEST = 65_536 + 64
BACKLOG = 0.25  # s of packets that wait in the queue before more are dropped


@dataclass(frozen=True)
class Far:
    """Hold the process that keeps the namespace at the other end, and how to run there."""

    pid: int

    @property
    def inside(self) -> list[str]:
        """Return what comes before a command that runs at the other end."""
        return ["nsenter", "-t", str(self.pid), "-n"]


def possible() -> bool:
    """Tell whether a link can be made here."""
    tools = all(shutil.which(name) for name in ("unshare", "nsenter", "ip"))
    return tools and os.geteuid() == 0 and Path("/dev/net/tun").exists()


@contextmanager
def far() -> Iterator[Far]:
    """Make the namespace at the other end; the server is started in there."""
    keeper = Shell().start(Command.of("unshare", "--net", "sleep", "infinity"))
    try:
        other = Path(f"/proc/{keeper.pid}/ns/net")
        while other.readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        end = Far(keeper.pid)
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{THERE}/32", "dev", "lo"]):
            Shell().run(Command.of(*end.inside, "ip", *words))
        yield end
    finally:
        keeper.terminate()
        keeper.wait()


@contextmanager
def joined(end: Far, milliseconds: int, megabits: int) -> Iterator[None]:
    """Join both ends while the context lasts; the delay is that of a whole round trip."""
    words = [sys.executable, "-m", "bench.link", str(end.pid), str(milliseconds), str(megabits)]
    relay = Shell().start(Command.of(*words, cwd=Path(__file__).parents[1]), stderr=None)
    try:
        assert relay.stdout
        if relay.stdout.readline() != b"ready\n":
            raise RuntimeError("the slow link did not come up")
        yield
    finally:
        relay.terminate()
        relay.wait()


def relay(pid: int, milliseconds: int, megabits: int) -> None:
    """Relay for ever."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    near = _device("near", HERE, THERE)
    enter(there)
    away = _device("away", THERE, HERE)
    enter(here)
    rate, delay = megabits * 125_000, milliseconds / 2000
    for source, target in ((near, away), (away, near)):
        Lane(source, target, rate, delay).start()
    print("ready", flush=True)
    threading.Event().wait()


class Lane:
    """Carry packets in one direction."""

    def __init__(self, source: int, target: int, rate: float, delay: float) -> None:
        self._source, self._target = source, target
        self._rate, self._delay = rate, delay
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._some = threading.Semaphore(0)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._take, daemon=True).start()
        threading.Thread(target=self._give, daemon=True).start()

    def _take(self) -> None:
        free = 0.0
        while True:
            packet = os.read(self._source, LARGEST)
            now = time.monotonic()
            if free - now > BACKLOG:
                continue
            free = max(now, free) + len(packet) / self._rate
            self._waiting.append((free + self._delay, packet))
            self._some.release()

    def _give(self) -> None:
        while True:
            self._some.acquire()
            due, packet = self._waiting.popleft()
            rest = due - time.monotonic()
            if rest > 0:
                time.sleep(rest)
            try:
                os.write(self._target, packet)
            except OSError:
                continue


def _device(name: str, address: str, peer: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(handle, TUNSETOFFLOAD, CHECKSUM | TSO4 | TSO6)
    for words in (
        ["addr", "add", address, "peer", peer, "dev", name],
        ["link", "set", name, "mtu", "1500", "txqueuelen", "2000", "up"],
    ):
        Shell().run(Command.of("ip", *words))
    return handle


def enter(namespace: int) -> None:
    """Move the calling thread into a network namespace, given as an open file."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    relay(*map(int, sys.argv[1:]))
