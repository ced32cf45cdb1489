"""Start the servers of the conformance suite, and say what each of them is like."""

import base64
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway import baseimages
from slipway.settings.storage import Storage
from tests.conformance import seaweed

ACCOUNT, ACCOUNT_KEY = "slipway", base64.b64encode(b"only for tests, of this machine").decode()
RGW_KEY, RGW_SECRET = "only-for-tests", "of-this-machine"
START_SECONDS = 180


@dataclass(frozen=True)
class Place:
    """Hold a server, its administrator's credentials, and what it cannot do.

    Where it makes no keys, the profile "site" of `credentials` holds one that was made by hand.
    """

    provider: str
    endpoint: str
    administrator: Mapping[str, str]
    lacks: tuple[str, ...] = ()
    credentials: Path | None = None

    @property
    def makes_keys(self) -> bool:
        return self.credentials is None

    def wanted(self, name: str, **fields: object) -> Storage:
        """Return the settings of a container; every test takes a name of its own."""
        settings: dict[str, object] = {
            "cors_origins": ("https://www.example.com",), "versioning": True,
            "versions_days": 30, "uploads_days": 7, "tags": (("team", "web"),),
        }  # fmt: skip
        if self.credentials:
            settings |= {"credentials_file": self.credentials, "site_profile": "site"}
        return Storage(self.provider, name, endpoint=self.endpoint, **{**settings, **fields})  # type: ignore[arg-type]


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Place]:
    with seaweed.running(folder) as server:
        administrator = {
            "AWS_ACCESS_KEY_ID": seaweed.KEY,
            "AWS_SECRET_ACCESS_KEY": seaweed.SECRET,
        }
        yield Place("s3", server.endpoint, administrator, lacks=("public access block",))


@contextmanager
def azurite(_: Path) -> Iterator[Place]:
    environ = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}
    with container("slipway-sandbox-azure", 10000, environ) as address:
        endpoint = f"{address}/{ACCOUNT}"
        lacks = ("versions and soft deletion", "tags")
        yield Place("azure", endpoint, {"AZURE_STORAGE_KEY": ACCOUNT_KEY}, lacks)


@contextmanager
def radosgw(folder: Path) -> Iterator[Place]:
    key = f"aws_access_key_id = {RGW_KEY}\naws_secret_access_key = {RGW_SECRET}\n"
    (folder / "credentials").write_text(f"[admin]\n{key}[site]\n{key}")
    environ = {"RGW_KEY": RGW_KEY, "RGW_SECRET": RGW_SECRET}
    with container("slipway-radosgw", 7480, environ) as address:
        administrator = {"AWS_ACCESS_KEY_ID": RGW_KEY, "AWS_SECRET_ACCESS_KEY": RGW_SECRET}
        yield Place("s3", address, administrator, ("keys",), credentials=folder / "credentials")


@contextmanager
def container(image: str, port: int, environ: Mapping[str, str]) -> Iterator[str]:
    """Run an image until the end, and yield where its port answers."""
    baseimages.ensure([image])
    name = f"{image}-{uuid.uuid4().hex[:8]}"
    options = [word for item in environ.items() for word in ("--env", "=".join(item))]
    docker("run", "--detach", "--rm", "--name", name, "--publish", f"127.0.0.1::{port}",
           *options, image)  # fmt: skip
    try:
        address = f"http://{docker('port', name, f'{port}/tcp').splitlines()[0]}"
        await_answer(address)
        yield address
    finally:
        docker("rm", "--force", "--volumes", name)


def docker(*words: str) -> str:
    return subprocess.run(
        ["docker", *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def await_answer(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return
