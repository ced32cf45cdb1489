"""Make the keys of the sandbox and keep them in .sandbox, for their owner's eyes only."""

import json
import string
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from secrets import choice

from slipway import envfile
from slipway.command import Command, Shell

LETTERS = string.ascii_letters + string.digits
ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


@dataclass(frozen=True, slots=True)
class Keys:
    """Hold the paths of the sandbox's keys; env/test.toml names the first three."""

    folder: Path

    @property
    def identity(self) -> Path:
        """Return the path of the private SSH key."""
        return self.folder / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """Return the path of the file with the hosts' own keys."""
        return self.folder / "ssh" / "known_hosts"

    @property
    def credentials(self) -> Path:
        """Return the path of the S3 administrator's key, in the form of AWS."""
        return self.folder / "s3-credentials"

    @property
    def server(self) -> Path:
        """Return the path of the same key in the form that the S3 server reads."""
        return self.folder / "s3-server.json"

    @property
    def azure(self) -> Path:
        """Return the path of the Azure account's key; env/azure.toml names it."""
        return self.folder / "azure-credentials"

    @property
    def azure_server(self) -> Path:
        """Return the path of the same key in the form that the emulator reads."""
        return self.folder / "azure-accounts"


def create(keys: Keys, shell: Shell) -> bool:
    """Make the keys that are missing; return whether the S3 server's is another than before."""
    keys.identity.parent.mkdir(parents=True, exist_ok=True)
    for folder in (keys.folder, keys.identity.parent):
        folder.chmod(0o700)
    if not keys.identity.exists():
        words = ("-q", "-t", "ed25519", "-N", "", "-C", "slipway-sandbox")
        shell.run(Command.of("ssh-keygen", *words, "-f", keys.identity))
    if not keys.credentials.exists():
        envfile.write(keys.credentials, credentials(_random(20).upper(), _random(40)))
    wanted = server_configuration(keys.credentials.read_text(encoding="utf-8"))
    if keys.server.exists() and keys.server.read_text(encoding="utf-8") == wanted:
        return False
    envfile.write(keys.server, wanted)
    return True


def credentials(key: str, secret: str) -> str:
    """Return a file of AWS's shared credentials with one key."""
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"


def server_configuration(shared: str) -> str:
    """Return SeaweedFS's list of identities: the one administrator of the credentials file."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(shared)
    key = parser["default"]
    pair = {"accessKey": key["aws_access_key_id"], "secretKey": key["aws_secret_access_key"]}
    identity = {"name": "administrator", "credentials": [pair], "actions": ACTIONS}
    return json.dumps({"identities": [identity]})


def _random(length: int) -> str:
    return "".join(choice(LETTERS) for _ in range(length))
