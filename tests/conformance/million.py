"""Plan a push of a million files on generated lists: `python -m tests.conformance.million KIND`.

Prints the seconds of CPU, without those that making the lists takes, these too, and the largest
memory (MB) as JSON. The flow's own modules are loaded, and the plan is made as the flow makes it;
only the disk and the server are left out.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from slipway import media
from slipway.objects.listing import Object, Page
from slipway.objects.shards import SPACING, order_of, sharded
from slipway.sync.plan import Comparison, Row, compare
from slipway.sync.renames import candidates
from slipway.sync.scan import File, Stamp

COUNT = 1_000_000
FOLDER = "uploads/2024"
STAMP = Stamp(12_345, 1_700_000_000_000_000_000, 1_700_000_000_000_000_000, 7)


def peak() -> float:
    """Return the most memory that this program has held, in MB.

    getrusage would count what the parent held before it became this program.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def name(number: int) -> str:
    return f"{FOLDER}/{number // 1000:04}/a-picture-of-something-{number:07}.jpg"


def files() -> Iterator[File]:
    for number in range(COUNT):
        yield File(name(number), f"/srv/site/data/media/{name(number)}", STAMP)


def etag(number: int) -> str:
    return f"{number:032x}"


def rows() -> Iterator[Row]:
    for number in range(COUNT):
        yield Row(name(number), *STAMP, etag(number))


def page(after: str, token: str) -> Page:
    begin = int(token) if token else int(after[-11:-4]) + 1 if after else 0
    end = min(begin + 1000, COUNT)
    found = [Object(name(number), STAMP.size, etag(number)) for number in range(begin, end)]
    return Page(found, str(end) if end < COUNT else "")


def unchanged() -> Comparison:
    seeds = [name(number) for number in range(SPACING - 1, COUNT, SPACING)]
    listing = sharded(page, seeds)
    return compare(files(), listing.objects, rows(), listing.order)


def new() -> Comparison:
    return compare(files(), (), (), order_of(Page([], "")))


def unknown() -> Comparison:
    listing = sharded(page, [])
    return compare(files(), listing.objects, (), listing.order)


def gone() -> Comparison:
    """Plan a push of nothing to a bucket that the site has filled."""
    listing = sharded(page, [])
    plan = compare((), listing.objects, (), listing.order)
    candidates(plan.new, plan.gone, "")
    return plan


def main(kind: str) -> None:
    assert media
    begin = time.process_time()
    kinds = {"unchanged": unchanged, "new": new, "unknown": unknown, "gone": gone}
    plan = kinds[kind]()
    cpu = time.process_time() - begin
    found = {"unchanged": plan.unchanged, "new": len(plan.new)}
    found |= {"unknown": len(plan.read), "gone": len(plan.gone)}
    memory = peak()
    begin = time.process_time()
    deque(files(), 0)
    if kind == "unchanged":
        deque(rows(), 0)
    if kind != "new":
        deque((page("", str(number)) for number in range(0, COUNT, 1000)), 0)
    lists = time.process_time() - begin
    figures = {"cpu": round(cpu - lists, 2), "lists": round(lists, 2), "MB": round(memory)}
    print(json.dumps({**found, **figures}))


if __name__ == "__main__":
    main(sys.argv[1])
