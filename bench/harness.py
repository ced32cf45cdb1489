"""Run what is to be measured in rounds, and print what came out."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.rows import Row, as_json
from bench.table import table

Counts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe what one tool does for one case.

    `run` is timed and returns what it counted, such as bytes. `prepare` comes before each
    run, untimed. `limit` marks what bounds every tool, `apart` what does less: no peers.
    """

    case: str
    tool: str
    run: Callable[[], Counts | None]
    prepare: Callable[[], object] = lambda: None
    limit: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what was asked for on the command line.

    After `budget` (s) no second round of a case begins, and `patience` (s) later nothing at all.
    """

    quick: bool = False
    json: Path | None = None
    rounds: int = 5
    budget: float = 3600
    patience: float = 3600


Build = Callable[[Options], AbstractContextManager[Sequence[Entry]]]


def main(description: str, build: Build, argv: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print the table; return 1 where anything failed.

    `build` is a context that sets everything up, yields the entries, and takes all down.
    """
    options = parse(description, argv)
    begin = time.monotonic()
    with build(options) as entries:
        deadline = begin + options.budget
        rows = measure(entries, options.rounds, deadline=deadline, end=deadline + options.patience)
    print(table(rows))
    if options.json:
        options.json.write_text(as_json(rows), encoding="utf-8")
    return int(any(row.failed for row in rows))


def parse(description: str, argv: Sequence[str] | None) -> Options:
    """Read `--quick`, `--json FILE` and `--rounds N`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="end within ten minutes on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs into FILE")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each tool in each case")
    given = parser.parse_args(argv)
    rounds = given.rounds or (2 if given.quick else 5)
    budget, patience = (390, 150) if given.quick else (3600, 3600)
    return Options(given.quick, given.json, rounds, budget, patience)


def measure(
    entries: Sequence[Entry],
    rounds: int,
    *,
    deadline: float = float("inf"),
    end: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], object] = lambda text: print(text, file=sys.stderr, flush=True),
) -> list[Row]:
    """Run every entry `rounds` times, the tools of a case in turns, and return a row for each.

    Each round begins with another tool. No round begins after `deadline` (of `clock`) but the
    first of each case, and no run at all after `end`. A tool that raises is not run
    again; its row says why.
    """
    rows = {one: Row(one.case, one.tool, limit=one.limit, apart=one.apart) for one in entries}
    for case in dict.fromkeys(one.case for one in entries):
        those = [one for one in entries if one.case == case]
        for number in range(rounds):
            if number and clock() > deadline:
                say(f"{case}: out of time after {number} rounds")
                break
            for one in _turned(those, number):
                if rows[one].failed:
                    continue
                if clock() > end:
                    failed = "" if rows[one].seconds else "out of time"
                    rows[one] = replace(rows[one], failed=failed)
                    continue
                rows[one] = _run(one, rows[one], clock)
                say(_said(rows[one]))
    return list(rows.values())


def _run(one: Entry, row: Row, clock: Callable[[], float]) -> Row:
    try:
        one.prepare()
        begin = clock()
        counts = one.run()
        return row.with_run(clock() - begin, counts or {})
    except Exception as error:
        return replace(row, failed=" ".join(f"{type(error).__name__}: {error}".split()))


def _turned(those: Sequence[Entry], number: int) -> list[Entry]:
    start = number % len(those)
    return [*those[start:], *those[:start]]


def _said(row: Row) -> str:
    done = f"failed: {row.failed}" if row.failed else f"{row.seconds[-1]:.2f} s"
    return f"{row.case}: {row.tool}: {done}"
