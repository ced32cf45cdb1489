"""Refuse early what would fill a disk: how many bytes an image adds, and what must stay free."""

from collections.abc import Sequence

from docker.errors import NotFound

from slipway import hostfacts, swarm
from slipway.command import Shell
from slipway.console import size
from slipway.engine import Engine
from slipway.errors import HostError
from slipway.parallel import each
from slipway.settings.hosts import Host

# A database beside the site must go on writing while, and after, an image arrives.
RESERVE = 1_000_000_000
# A layer comes packed, and is there twice until it is unpacked.
WHILE_UNPACKED = 1.5


def check(
    shell: Shell, here: Engine, hosts: Sequence[tuple[Host, Engine]], image: str
) -> list[int]:
    """Refuse to ship an image to a host that lacks the room; raises HostError.

    Returns how many bytes each host will take up.
    """
    layers, sizes = _layers(here, image), _sizes(here, image)

    def one(pair: tuple[Host, Engine]) -> int:
        host, there = pair
        needed = missing(layers, sizes, _all_layers(there))
        if needed:
            refuse(host.name, needed, hostfacts.read(shell, host).free)
        return needed

    return each(one, hosts)


def refuse(where: str, needed: int, free: int, reserve: int = RESERVE) -> None:
    """Raise HostError with the number of bytes missing, unless there is room (pure)."""
    lacking = int(needed * WHILE_UNPACKED) + reserve - free
    if lacking > 0:
        what = f"{lacking:,} bytes ({size(lacking)}) are missing on its disk: the image adds "
        what += f"{size(needed)}, {size(free)} are free, and {size(reserve)} must stay so"
        raise HostError(where, what, "'invoke prune' removes old releases, or make room there")


def missing(layers: Sequence[str], sizes: Sequence[int], there: Sequence[Sequence[str]]) -> int:
    """Return at most how many bytes an image adds to those whose layers are given (pure).

    `layers` begin with the base; `sizes` are those of the layers that are not empty, from the
    newest on. Where some are empty, bytes are counted that are there: never too few.
    """
    shared = max((_common(layers, other) for other in there), default=0)
    return sum(sizes[: len(layers) - shared])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _layers(engine: Engine, image: str) -> list[str]:
    found = swarm.call(engine, "GET", f"/images/{image}/json")
    return list(found["RootFS"].get("Layers") or [])


def _sizes(engine: Engine, image: str) -> list[int]:
    history = swarm.call(engine, "GET", f"/images/{image}/history")
    return [entry["Size"] for entry in history if entry["Size"]]


def _all_layers(engine: Engine) -> list[list[str]]:
    found = []
    for image in swarm.call(engine, "GET", "/images/json"):
        try:
            found.append(_layers(engine, image["Id"]))
        except NotFound:
            # Somebody removes it right now.
            continue
    return found
