"""Measure a deploy beside its peers: same host, same image, same change, in one run.

`nothing changed` and `one line changed` from command to verified, and with more than `--quick`
also a `first deploy` to a host that has none of the image. Bytes are those that the host's network
interface received; requests are sent on the host, 20 a second, to whatever the tool puts there.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from bench import harness, peers
from bench.harness import Entry, Options
from bench.place import HOST, Place, prepare
from bench.probing import probing
from bench.rows import OURS
from bench.tools import Compose, Kamal, bare_engine
from slipway import engine
from slipway.command import Shell

NOTHING, ONE_LINE, FIRST = "nothing changed", "one line changed", "first deploy"
Counts = dict[str, object]


@contextmanager
def build(options: Options) -> Iterator[Sequence[Entry]]:
    """Set everything up, untimed, and yield what is measured."""
    shell = Shell()
    place = prepare(shell)
    with engine.on_host(shell, place.environment.manager) as there, engine.local() as here:
        compose = Compose(place, here, there)
        kamal = Kamal(place, here, peers.install("kamal", shell))
        compose.deploy()
        kamal.deploy()
        # Kamal has made commits meanwhile, which an image's labels name.
        place.invoke("deploy")
        ours = partial(_ours, place)
        entries = []
        for case, before in _cases(options, place):
            entries += [
                Entry(case, OURS, ours, before),
                Entry(case, "save-load + compose", partial(compose.measured), before),
                Entry(case, "kamal, no proxy", partial(kamal.measured), before),
            ]
            if case != FIRST:
                alone = partial(bare_engine, place, here)
                entries.append(Entry(case, "engine alone", alone, before, limit=True))
        try:
            yield entries
        finally:
            compose.remove()
            kamal.remove()


def _cases(options: Options, place: Place) -> list[tuple[str, Callable[[], object]]]:
    cases: list[tuple[str, Callable[[], object]]] = [
        (NOTHING, lambda: None),
        (ONE_LINE, place.change_a_line),
    ]
    return cases if options.quick else [*cases, (FIRST, place.forget)]


def _ours(place: Place) -> Counts:
    before = place.received()
    with probing(HOST, 80, place.environment.site.netloc) as counts:
        said = json.loads(place.invoke("deploy"))
    return {"wire_bytes": place.received() - before, **counts, "changed": said["changed"]}


if __name__ == "__main__":
    sys.exit(harness.main(__doc__.splitlines()[0], build))
