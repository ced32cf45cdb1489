"""The admin takes 200 MB within 256 MB of memory, for a bucket and for a folder."""

import hashlib
import http.client
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from slipway import baseimages, local
from slipway.buildkit import package_index
from slipway.command import Command, Shell
from slipway.sandbox.browser import Browser
from tests.conformance import seaweed

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 256 << 20
SIZE = 200_000_000
# As compose/stack.yml runs the image, and with 256 MB.
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
LIMITED = ("--memory", str(MEMORY), "--memory-swap", str(MEMORY))
ACCOUNT = """
import sys
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("admin", password=sys.stdin.read())
"""
shell = Shell()


@dataclass
class Site:
    """Hold a running container of the site, and the folder that is its /data."""

    id: str
    port: int
    data: Path

    def inspect(self, field: str) -> str:
        result = shell.run(
            Command.of("docker", "inspect", "--format", "{{" + field + "}}", self.id)
        )
        return result.stdout.strip()

    def manage(self, *words: str, stdin: str = "") -> None:
        command = ("docker", "exec", "--interactive", self.id, "python", "manage.py", *words)
        shell.run(Command.of(*command, stdin=stdin.encode()))


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    baseimages.ensure(["python:3.13-slim-trixie"])
    shell.run(local.build_command(ROOT, package_index()))


@pytest.fixture(params=["s3", "file"])
def site(request: pytest.FixtureRequest, server: seaweed.Seaweed, tmp_path: Path) -> Iterator[Site]:
    dsn = "file:///data/media/?url=%2Fmedia%2F"
    if request.param == "s3":
        key = f"{quote(seaweed.KEY, safe='')}:{quote(seaweed.SECRET, safe='')}"
        endpoint = quote(server.endpoint, safe="")
        dsn = f"s3://{key}@warm-up.127.0.0.1:{server.port}/?endpoint={endpoint}&auth=s3v4"
    tmp_path.chmod(0o777)
    (port,) = seaweed.free_ports(1)
    variables = {
        "STAGE": "test", "SITE_URL": f"http://127.0.0.1:{port}", "DOMAIN": "127.0.0.1",
        "PORT": str(port), "SECRET_KEY": secrets.token_hex(32),
        "DATABASE_URL": "sqlite:////data/test.db", "DEFAULT_STORAGE_DSN": dsn,
    }  # fmt: skip
    options = [word for item in variables.items() for word in ("--env", "=".join(item))]
    where = ("--network", "host", "--volume", f"{tmp_path}:/data")
    run = ("docker", "run", "--detach", *HARDENED, *LIMITED, *where, *options, local.IMAGE)
    started = Site(shell.run(Command.of(*run)).stdout.strip(), port, tmp_path)
    try:
        wait_for(started)
        yield started
    finally:
        shell.run(Command.of("docker", "rm", "--force", started.id))
        server.client.delete_object(Bucket="warm-up", Key="large.bin")
        for name in ("test.db", "media/large.bin"):
            (tmp_path / name).unlink(missing_ok=True)


def wait_for(site: Site) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
            server.request("GET", "/livez")
            assert server.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def test_a_large_upload_needs_little_memory(site: Site, server: seaweed.Seaweed) -> None:
    password = secrets.token_hex(12)
    site.manage("migrate", "--noinput", "--verbosity", "0")
    site.manage("shell", "--verbosity", "0", "--command", ACCOUNT, stdin=password)
    content = os.urandom(SIZE)
    browser = Browser(f"http://127.0.0.1:{site.port}")
    browser.log_in("admin", password)
    url = browser.upload("large.bin", content)
    if urlsplit(url).port == site.port:
        # With DEBUG off Django serves no media, neither this file nor another.
        answer = browser.session.get(url, timeout=30)
        assert answer.status_code == 404
        stored = (site.data / "media" / "large.bin").read_bytes()
    else:
        stored = server.client.get_object(Bucket="warm-up", Key="large.bin")["Body"].read()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()
    assert site.inspect(".State.OOMKilled") == "false"
    killed = shell.run(Command.of("docker", "logs", site.id)).stderr
    assert not re.search(r"SIGKILL|out of memory|WORKER TIMEOUT", killed)
    assert list((site.data / ".uploads").iterdir()) == []
