"""Judge hosts by what was read of them (pure)."""

from slipway.console import size
from slipway.findings import Finding, State
from slipway.hostfacts import HostFacts
from slipway.settings.hosts import Host

GROUP = "Hosts"
# Below either, a host is about to fill up; a database that cannot write stops the site.
LEAST_FREE = 2_000_000_000
LEAST_SHARE = 0.05
MAKE_ROOM = "'invoke prune' removes old releases; 'docker system df' there shows the rest"


def summary(host: Host, found: HostFacts) -> Finding:
    """Say in one finding how a host is."""
    place = f"{host.user}@{host.address}"
    facts = {
        "name": host.name,
        "address": host.address,
        "reachable": True,
        "engine": found.engine,
        "leads": found.leads,
        "disk_size": found.size,
        "disk_free": found.free,
    }
    if not found.engine:
        hint = "log in with 'invoke ssh' and see 'systemctl status docker'"
        text = f"{place}: its Docker engine does not answer"
        return Finding(GROUP, host.name, "fail", text, hint, {"hosts": [facts]})
    state, hint = room(found)
    words = [
        place,
        f"engine {found.engine.partition('+')[0]}",
        *(["leads"] if found.leads else []),
        space(found),
    ]
    return Finding(GROUP, host.name, state, ", ".join(words), hint, {"hosts": [facts]})


def maintenance(host: Host, found: HostFacts, stack: str) -> list[Finding]:
    """Say that a host shows the maintenance page of a site, if it does."""
    if stack not in found.maintenance:
        return []
    text = f"{host.name} shows a page instead of the site"
    return [Finding(GROUP, "maintenance", "warn", text, "'invoke maintenance --off' ends it")]


def room(found: HostFacts) -> tuple[State, str]:
    """Judge the space on a host's disk, and say what to do about it."""
    if found.size and found.free < LEAST_FREE / 10:
        return "fail", MAKE_ROOM
    low = found.free < LEAST_FREE or found.free < LEAST_SHARE * found.size
    return ("warn", MAKE_ROOM) if low or found.inodes_free < LEAST_SHARE else ("ok", "")


def space(found: HostFacts) -> str:
    """Return how much of a host's disk is free, for people."""
    return f"{size(found.free)} free of {size(found.size)}"
