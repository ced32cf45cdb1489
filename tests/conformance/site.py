"""Hold a local site with media, and push them to a bucket."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.dsn import S3Dsn
from slipway.secrets import Secret
from tests.conformance import push, seaweed

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome:
    """Hold what a push said."""

    code: int
    stdout: str
    stderr: str

    @property
    def fields(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.stdout)
        return loaded


@dataclass
class Site:
    """Hold where the site is and which bucket it has."""

    root: Path
    bucket: str
    server: seaweed.Seaweed

    def write(self, name: str, content: bytes) -> Path:
        path = self.media / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @property
    def media(self) -> Path:
        return self.root / "data" / "media"

    def dsn(self, prefix: str = "") -> S3Dsn:
        """Return the bucket's DSN."""
        secret = Secret(seaweed.SECRET)
        endpoint = self.server.endpoint
        return S3Dsn(seaweed.KEY, secret, self.bucket, "us-east-1", endpoint, prefix)

    def prepare(self, endpoint: str = "", **changes: str) -> None:
        address = {"bucket": self.bucket, "endpoint": endpoint or self.server.endpoint}
        address |= {"key": seaweed.KEY, "secret": seaweed.SECRET, **changes}
        push.prepare(self.root, **address)

    def start(
        self,
        endpoint: str = "",
        environment: dict[str, str] | None = None,
        flow: tuple[str, ...] = (),
        **changes: str,
    ) -> subprocess.Popen[str]:
        self.prepare(endpoint, **changes)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.push", str(self.root), *flow],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pull(
        self, endpoint: str = "", options: dict[str, Any] | None = None, **changes: str
    ) -> Outcome:
        return self.flow("pull:pull_media", options or {}, endpoint, **changes)

    def flow(
        self, flow: str, options: dict[str, Any], endpoint: str = "", **changes: str
    ) -> Outcome:
        """Run a flow in this process, which is quicker than starting another."""
        self.prepare(endpoint, **changes)
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = push.main(str(self.root), flow, json.dumps(options))
        return Outcome(code, stdout.getvalue(), stderr.getvalue())

    def push(self, *args: Any, **changes: Any) -> Outcome:
        process = self.start(*args, **changes)
        stdout, stderr = process.communicate(timeout=120)
        return Outcome(process.returncode, stdout, stderr)
