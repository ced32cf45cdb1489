"""Push from a process of its own, which a test may kill."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.console import Console
from slipway.database import push_db
from slipway.postgres.ends import Ends
from slipway.postgres.names import Names
from slipway.postgres.server import Server
from slipway.secrets import Secret
from tests.conformance.database.servers import SITE, Pair
from tests.unit.factory import environment

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def pushing(pair: Pair) -> Iterator[subprocess.Popen[str]]:
    """Start a push; it is killed at the latest when the context ends."""
    words = [sys.executable, "-m", __name__, pair.ends.source.container, pair.ends.target.container]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def main(source: str, target: str) -> None:
    local = Server("the local database", source, "me", password=Secret("local"))
    ends = Ends(local, "local", Server("host1", target), Names(SITE), SITE)
    print(json.dumps(push_db(environment(), Console(), ends=ends)))


if __name__ == "__main__":
    main(*sys.argv[1:])
