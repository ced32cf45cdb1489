"""`python -m bench.database [--quick] [--json FILE]`: push databases, side by side."""

import io
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial

from bench.database import content, servers, tools
from bench.database.servers import Pair
from bench.harness import Entry, Options, main
from bench.rows import OURS
from slipway import baseimages
from slipway.console import Console
from slipway.database import push_db
from tests.unit.factory import environment


def push(pair: Pair, database: str) -> dict[str, object]:
    """Push as `invoke push-db` does, verification included."""
    with redirect_stdout(io.StringIO()):
        fields = push_db(environment(), Console(as_json=True), ends=pair.ends(database))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"downtime_ms": fields["downtime_ms"], "MB_peak": round(peak)}


def entries(pair: Pair, database: str, name: str) -> Iterator[Entry]:
    """Name all tools for one database."""
    yield Entry(name, OURS, lambda: push(pair, database), pair.fresh)
    for tool, peer in tools.PEERS.items():
        yield Entry(name, tool, partial(peer, pair, database), pair.fresh)


@contextmanager
def build(options: Options) -> Iterator[Sequence[Entry]]:
    """Make servers and databases; S, M and L are smaller with --quick, and say so."""
    baseimages.ensure([servers.IMAGE])
    megabytes, scale = (150, 10) if options.quick else (1000, 50)
    with tools.built(), servers.running() as pair:
        pair.fill("small", content.small())
        pair.fill("large", content.large(megabytes))
        pair.source.query("CREATE DATABASE medium;")
        pgbench = ["pgbench", "--initialize", "--quiet", "--scale", str(scale)]
        pair.source.run([*pgbench, "--username", "postgres", "medium"])
        yield [
            *entries(pair, "small", "S 200 tables"),
            *entries(pair, "medium", f"M pgbench scale {scale}"),
            *entries(pair, "large", f"L {megabytes} MB"),
        ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", build))
