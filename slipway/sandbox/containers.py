"""Run the containers of the sandbox: create, start, ask, remove; say what is in the way."""

import re
from ipaddress import IPv4Network
from pathlib import Path

from slipway.command import Command, Result, Shell
from slipway.errors import SlipwayError

LABEL = "slipway.sandbox"
NETWORK = "slipway-sandbox"
SUBNET = IPv4Network("10.213.0.0/24")
ROUTES = Path("/proc/net/route")
REFUSALS = (
    (r"(\d\S+:\d+)(?: failed)?: (?:port is already allocated|bind: address already in use)",
     "is taken by another program", "stop what listens there, then run it again"),
    (r"(Pool) overlaps", f"{SUBNET} is taken by another Docker network",
     "find it with 'docker network ls' and remove it"),
    (r"(Docker) daemon", "no engine answers on this machine", "run scripts/bootstrap.sh"),
)  # fmt: skip


class Containers:
    """Work on the containers, the volumes and the network of one checkout's sandbox."""

    def __init__(self, shell: Shell, root: Path) -> None:
        self.shell = shell
        self.root = root
        self.label = f"{LABEL}={root}"

    def docker(self, *argv: str | Path, stdin: bytes | None = None) -> str:
        """Run a docker command and return what it printed; raises SlipwayError."""
        result = self._ask(*argv, stdin=stdin)
        if result.code != 0:
            raise refusal(result.stderr or result.stdout)
        return result.stdout.strip()

    def owner(self) -> str | None:
        """Return the checkout that the sandbox belongs to, or None where there is none."""
        query = '{{index .Labels "' + LABEL + '"}}'
        names = self.docker("network", "ls", "--filter", f"name=^{NETWORK}$", "--quiet")
        return self.docker("network", "inspect", "--format", query, NETWORK) if names else None

    def refuse_a_foreign_sandbox(self) -> None:
        """Raise SlipwayError where the sandbox is that of another checkout that still exists."""
        owner = self.owner()
        if owner is not None and owner != str(self.root) and (not owner or Path(owner).exists()):
            raise SlipwayError(
                NETWORK, f"belongs to {owner or 'somebody else'}",
                "run 'invoke sandbox.down' there; one sandbox fits on a machine",
            )  # fmt: skip

    def create_network(self) -> None:
        """Make the network if it is missing; raises SlipwayError where its addresses are taken."""
        if self.owner() is not None:
            return
        device = device_in_the_way(ROUTES.read_text() if ROUTES.exists() else "")
        if device:
            raise SlipwayError(
                NETWORK, f"{SUBNET} is taken by the network device {device}",
                "see 'docker network ls' and 'ip route', and remove that network",
            )  # fmt: skip
        self.docker("network", "create", "--label", self.label, f"--subnet={SUBNET}", NETWORK)

    def is_there(self, name: str) -> bool:
        """Tell whether a container exists, running or not."""
        return self._ask("container", "inspect", name).code == 0

    def is_outdated(self, name: str, image: str) -> bool:
        """Tell whether a container was made from another image than the present one."""
        made = self._ask("container", "inspect", "--format", "{{.Image}}", name)
        wanted = self._ask("image", "inspect", "--format", "{{.Id}}", image)
        return made.code == 0 and made.stdout != wanted.stdout

    def run(self, name: str, address: str, *argv: str | Path) -> None:
        """Start a container, made anew if there is none; `argv` are its options and image."""
        if self.is_there(name):
            self.docker("start", name)
            return
        wanted = ("--name", name, "--network", NETWORK, "--ip", address, "--label", self.label)
        try:
            self.docker("run", "--detach", *wanted, *argv)
        except SlipwayError:
            self.remove(name)
            raise

    def create_volume(self, name: str) -> None:
        """Make a volume if it is missing."""
        self.docker("volume", "create", "--label", self.label, name)

    def remove(self, name: str) -> None:
        """Remove a container; its named volumes stay."""
        self._ask("rm", "--force", "--volumes", name)

    def remove_all(self) -> int:
        """Remove every container, volume and network of the sandbox; return how many."""
        mark, count = f"label={LABEL}", 0
        for kind, listing, removal in (
            ("container", ["--all"], ["--force", "--volumes"]),
            ("volume", [], []),
            ("network", [], []),
        ):
            found = self.docker(kind, "ls", *listing, "--quiet", "--filter", mark).split()
            if found:
                self.docker(kind, "rm", *removal, *found)
            count += len(found)
        return count

    def _ask(self, *argv: str | Path, stdin: bytes | None = None) -> Result:
        return self.shell.run(Command.of("docker", *argv, stdin=stdin), check=False)


def refusal(said: str) -> SlipwayError:
    """Turn what docker said on its standard error into one line."""
    for pattern, what, hint in REFUSALS:
        found = re.search(pattern, said)
        if found:
            where = found[1] if ":" in found[1] else NETWORK
            return SlipwayError(where, what, hint)
    lines = [line for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
    return SlipwayError("docker", first or "failed without a word", "see the engine's log")


def device_in_the_way(routes: str) -> str:
    """Name the device that has a route into the sandbox's subnet, from /proc/net/route."""
    for line in routes.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask, *_ = line.split()
        network = _network(destination, mask)
        if network.prefixlen and network.overlaps(SUBNET):
            return device
    return ""


def _network(destination: str, mask: str) -> IPv4Network:
    """Read two addresses as the kernel prints them: hexadecimal, in the machine's byte order."""
    numbers = (int.from_bytes(bytes.fromhex(word), "little") for word in (destination, mask))
    address, bits = numbers
    return IPv4Network((address, bits.bit_count()))
