"""Let the local site use an environment's storage for a while, without a change to any file.

The env file that the container then reads is a copy of env/local.env with the environment's
DEFAULT_STORAGE_DSN (0600, ignored by git); the next `local.up` without --storage removes it.
"""

import ipaddress
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from slipway import envfile, environment
from slipway.command import Command, Shell
from slipway.console import Console
from slipway.environment import read_variables
from slipway.errors import ConfigurationError
from slipway.secrets import Secret
from slipway.variables import STORAGE

SWITCHED = ".local-on-another-storage.env"


def env_file(root: Path) -> Path:
    """Return the env file that the local site reads now."""
    switched = root / "env" / SWITCHED
    return switched if switched.exists() else root / "env" / "local.env"


def switch(root: Path, name: str, console: Console) -> Secret:
    """Let the next start use the storage of environment `name`; return its DSN.

    Live's name must be typed. Raises ConfigurationError where there is none yet, or where only
    its hosts reach it, and Declined.
    """
    other = environment.load(name, root)
    found = other.variable(STORAGE)
    if found.reveal().startswith("file:"):
        raise ConfigurationError(
            f"env/{name}.env: {STORAGE}", "names a folder of its hosts, out of reach from here",
            "run 'invoke local.up' without --storage",
        )  # fmt: skip
    console.warn(f"uploads on this machine become files of {name}, until 'invoke local.up'")
    if other.typed_name:
        console.confirm(f"Use the storage of {name}?", type_name=other.typed_name)
    variables = {**read_variables(root / "env" / "local.env"), STORAGE: found}
    lines = [f"{key}={envfile.quoted(value.reveal())}\n" for key, value in variables.items()]
    envfile.write(root / "env" / SWITCHED, "".join(lines))
    return found


def switch_back(root: Path) -> None:
    """Let the next start use the local folder again."""
    (root / "env" / SWITCHED).unlink(missing_ok=True)


def network(shell: Shell, storage: Secret) -> str:
    """Return the Docker network of this machine that the storage is in, "" where it is in none.

    Docker keeps its networks apart, so a storage in a container is reached from its own only.
    """
    address = _address(storage.reveal())
    if not address:
        return ""
    listed = shell.run(Command.of("docker", "network", "ls", "--quiet")).stdout.split()
    inspect = Command.of("docker", "network", "inspect", *listed)
    for one in json.loads(shell.run(inspect).stdout):
        for subnet in one["IPAM"]["Config"] or []:
            if address in ipaddress.ip_network(subnet["Subnet"]):
                return str(one["Name"])
    return ""


def _address(dsn: str) -> ipaddress.IPv4Address | None:
    endpoint = parse_qs(urlsplit(dsn).query).get("endpoint", [""])[0]
    try:
        return ipaddress.IPv4Address(urlsplit(endpoint).hostname or "")
    except ValueError:
        return None
