"""Run Microsoft's emulator of Azure Blob Storage in the sandbox."""

import base64
from secrets import token_bytes

from slipway import envfile
from slipway.environment import read_variables
from slipway.sandbox.containers import Containers
from slipway.sandbox.keys import Keys

AZURE = "slipway-azure"
IMAGE = "slipway-sandbox-azure"
ADDRESS = "10.213.0.21"
PORT = 10000
ACCOUNT = "slipway"
URL = f"http://{ADDRESS}:{PORT}/{ACCOUNT}"
NAME = "AZURE_STORAGE_KEY"
ACCOUNTS = "/etc/slipway/azure-accounts"
LISTENS = ("bash", "-c", f"exec 3<>/dev/tcp/{ADDRESS}/{PORT}")


def start(containers: Containers, found: Keys) -> None:
    """Start the server, made anew where its account's key or its image is another one."""
    if create_key(found) or containers.is_outdated(AZURE, IMAGE):
        containers.remove(AZURE)
    volume = f"{AZURE}-data"
    containers.create_volume(volume)
    mounts = ("--volume", f"{volume}:/data", "--volume", f"{found.azure_server}:{ACCOUNTS}:ro")
    containers.run(AZURE, ADDRESS, *mounts, IMAGE)


def create_key(found: Keys) -> bool:
    """Make the account's key if it is missing; return whether the server's is another one."""
    if not found.azure.exists():
        key = base64.b64encode(token_bytes(64)).decode()
        envfile.write(found.azure, f"{NAME}={envfile.quoted(key)}\n")
    wanted = f"{ACCOUNT}:{read_variables(found.azure)[NAME].reveal()}"
    if found.azure_server.exists() and found.azure_server.read_text(encoding="utf-8") == wanted:
        return False
    envfile.write(found.azure_server, wanted)
    return True
