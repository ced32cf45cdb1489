"""Read at once, over SSH, what a host has and how it is; change nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from slipway import ssh
from slipway.command import Shell
from slipway.settings.hosts import Host

MAINTENANCE = "/etc/slipway/proxy/maintenance"
ENGINE = "{{.ServerVersion}}|{{.Swarm.LocalNodeState}}|{{.Swarm.ControlAvailable}}"
ENGINE += "|{{.Swarm.NodeID}}|{{.DockerRootDir}}"
# Each line is a name, a tab and what was found; a host without Docker has an empty engine.
SCRIPT = f"""
say() {{ printf '%s\\t%s\\n' "$1" "$2"; }}
say time "$(date +%s.%N)"
say system "$(. /etc/os-release && echo "$ID $VERSION_ID")"
say user "$(id -u)"
say sudo "$(sudo -n true 2>/dev/null && echo yes)"
say python "$(command -v python3)"
say synchronized "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null)"
engine=$(docker info --format '{ENGINE}' 2>/dev/null)
say engine "$engine"
folder=${{engine##*|}}
[ -d "$folder" ] || folder=/var
say disk "$(df -P -k "$folder" | tail -n 1)"
say inodes "$(df -P -i "$folder" | tail -n 1)"
say maintenance "$(ls {MAINTENANCE} 2>/dev/null | tr '\\n' ' ')"
"""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Hold how a host is; space is in bytes.

    `offset` is by how many seconds its clock is ahead at least (negative: behind). Without an
    engine that answers, `engine` is empty.
    """

    offset: float = 0.0
    system: str = ""
    administrator: bool = False
    python: bool = False
    synchronized: bool | None = None
    engine: str = ""
    swarm: str = ""
    leads: bool = False
    node: str = ""
    size: int = 0
    free: int = 0
    inodes_free: float = 1.0
    maintenance: tuple[str, ...] = ()


def read(shell: Shell, host: Host, clock: Callable[[], float] = time.time) -> HostFacts:
    """Ask a host; raises HostError where it cannot be reached."""
    # Opens the shared connection, so that the answer with the time comes at once.
    ssh.run(shell, host, "true")
    begin = clock()
    said = ssh.run(shell, host, "sh", "-c", SCRIPT, check=False).stdout
    return parse(said, begin, clock())


def parse(said: str, begin: float, end: float) -> HostFacts:
    """Read what the script wrote between two moments of this machine's clock (pure)."""
    found = dict(line.partition("\t")[::2] for line in said.splitlines())
    version, state, control, node, _ = (found.get("engine", "").split("|") + [""] * 5)[:5]
    disk, inodes = _columns(found.get("disk", "")), _columns(found.get("inodes", ""))
    there = float(found.get("time") or begin)
    return HostFacts(
        # The script reads its clock somewhere between the two moments.
        offset=there - begin if there < begin else max(0.0, there - end),
        system=found.get("system", ""),
        administrator=found.get("user") == "0" or found.get("sudo") == "yes",
        python=bool(found.get("python")),
        synchronized={"yes": True, "no": False}.get(found.get("synchronized", "")),
        engine=version,
        swarm=state,
        leads=control == "true",
        node=node,
        size=disk[0] * 1024,
        free=disk[1] * 1024,
        inodes_free=inodes[1] / inodes[0] if inodes[0] else 1.0,
        maintenance=tuple(found.get("maintenance", "").split()),
    )


def _columns(line: str) -> tuple[int, int]:
    """Return what df says of all there is and of what is free."""
    words = line.split()
    numbers = [int(word) for word in words[-5:-2] if word.isdigit()]
    return (numbers[0], numbers[2]) if len(numbers) == 3 else (0, 0)
