"""`python -m bench.database [--quick] [--json FILE]`: push databases, side by side.

Each database whole on this machine; L with one row in a hundred changed since the last push, which
was the first, or the second; and each through a slow link of 40 ms and 100 Mbit/s.
"""

import io
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from pathlib import Path

from bench import link
from bench.database import away, content, servers, tools
from bench.database.servers import Pair
from bench.database.tools import Push
from bench.harness import Entry, Options, main
from bench.rows import OURS
from slipway import baseimages
from slipway.console import Console
from slipway.database import push_db
from slipway.settings.hosts import Host
from tests.conformance.database import host
from tests.unit.factory import environment

SLOW = (40, 100)


def push(pair: Pair, database: str, there: Host | None = None) -> dict[str, object]:
    """Push as `invoke push-db` does, verification included."""
    site = environment(hosts=(there,)) if there else environment()
    with redirect_stdout(io.StringIO()):
        fields = push_db(site, Console(as_json=True), ends=pair.ends(database, there))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    sent = int(str(fields["bytes_sent"]))
    return {
        "downtime_ms": fields["downtime_ms"],
        "MB_sent": round(sent / 1e6, 2),
        "MB_peak": round(peak),
    }


def entries(
    pair: Pair,
    database: str,
    name: str,
    peers: Mapping[str, Push],
    there: Host | None = None,
    before: Callable[[], object] | None = None,
) -> Iterator[Entry]:
    """Name all tools for one database; `before` prepares ours in another way than the others."""
    yield Entry(name, OURS, lambda: push(pair, database, there), before or pair.fresh)
    for tool, peer in peers.items():
        yield Entry(name, tool, partial(peer, pair, database), pair.fresh)


def changed(pair: Pair, database: str, pushes: int) -> None:
    """Push a database so many times, and change a little of it after each."""
    pair.fresh()
    for turn in range(pushes):
        push(pair, database)
        pair.source.query(content.changed(turn), database)


def fill(pair: Pair, megabytes: int, scale: int) -> None:
    """Make the databases that are pushed."""
    pair.fill("small", content.small())
    pair.fill("large", content.large(megabytes))
    pair.source.query("CREATE DATABASE medium;")
    pgbench = ["pgbench", "--initialize", "--quiet", "--scale", str(scale)]
    pair.source.run([*pgbench, "--username", "postgres", "medium"])
    # Whoever writes first finds no log files that it could write into again.
    pair.fresh()
    tools.dump_restore_plain(pair, "large")


@contextmanager
def build(options: Options) -> Iterator[Sequence[Entry]]:
    """Make servers and databases; M and L are smaller with --quick, and say so."""
    baseimages.ensure([servers.IMAGE, host.IMAGE])
    megabytes, scale = (150, 10) if options.quick else (1000, 50)
    databases = {
        "S 200 tables": "small",
        f"M pgbench scale {scale}": "medium",
        f"L {megabytes} MB": "large",
    }
    with ExitStack() as stack:
        stack.enter_context(tools.built())
        pair = stack.enter_context(servers.running())
        fill(pair, megabytes, scale)
        found = [
            entry
            for name, database in databases.items()
            for entry in entries(pair, database, name, tools.PEERS)
        ]
        name = f"L {megabytes} MB, 1 % changed"
        for pushes, again in enumerate(("", ", third push"), 1):
            little = partial(changed, pair, "large", pushes)
            found += entries(pair, "large", name + again, tools.PEERS, before=little)
        if link.possible():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            end = stack.enter_context(link.far())
            stack.enter_context(link.joined(end, *SLOW))
            name = f"{pair.network}-host"
            there = stack.enter_context(away.reached(end, name, folder))
            for name, database in databases.items():
                slow = f"{name}, {SLOW[0]} ms"
                found += entries(pair, database, slow, tools.over_ssh(there), there)
        else:
            print("no slow link: it needs root, /dev/net/tun and iproute2", file=sys.stderr)
        yield found


if __name__ == "__main__":
    sys.exit(main((__doc__ or "").splitlines()[0], build))
