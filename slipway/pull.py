"""Fetch the media of an environment into the local folder."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from slipway.console import Console, seconds, size
from slipway.environment import Environment
from slipway.errors import SlipwayError
from slipway.media import FOLDER, conclude
from slipway.objects.bucket import Bucket
from slipway.objects.keys import readable
from slipway.objects.listing import MD5, Object
from slipway.objects.reach import bucket_of
from slipway.objects.shards import Disordered
from slipway.plan import Change, Plan
from slipway.sync import incoming
from slipway.sync.crew import Tick, beside
from slipway.sync.fetch import FULL, LARGE, Fetcher, has_md5s
from slipway.sync.incoming import Fold, Incoming
from slipway.sync.landing import Landing, temporary_name
from slipway.sync.memory import Memory, locked, remembered
from slipway.sync.plan import Objects
from slipway.sync.proof import unequal
from slipway.sync.rules import Rules
from slipway.sync.scan import Scan, Stamp, walk
from slipway.sync.tally import Tally

SHOWN = 20
MARGIN = 16 * 1024 * 1024  # bytes that stay free on the disk, so that others can go on


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hold what a pull may do."""

    delete: bool = False
    delete_most: bool = False
    checksum: bool = False
    plan_only: bool = False


@dataclass
class Pull:
    """Hold one run: its ends, what it found, and what it did."""

    console: Console
    wanted: Wanted
    bucket: Bucket
    folder: Path
    landing: Landing
    memory: Memory
    rules: Rules
    has_md5s: bool = False
    fold: Fold = str  # maps names to what the disk takes them for
    seeds: list[str] = field(default_factory=list)
    found: Scan = field(default_factory=Scan)
    plan: Incoming = field(default_factory=Incoming)
    tally: Tally = field(default_factory=Tally)
    deleted: int = 0


def pull_media(
    environment: Environment,
    console: Console,
    *,
    bucket: Bucket | None = None,
    delete: bool = False,
    delete_most: bool = False,
    checksum: bool = False,
    plan_only: bool = False,
) -> int:
    """Fetch what is missing or other in data/media, and print the result.

    `delete` removes, last and after a question, the files that no object names; `checksum`
    reads every file instead of trusting what an earlier run learnt. Returns the exit code.
    Raises ConfigurationError, StorageError, Declined, SlipwayError where the disk is full, or,
    after everything else was fetched, PartialTransfer.
    """
    begin = time.monotonic()
    wanted = Wanted(delete, delete_most, checksum, plan_only)
    folder = environment.root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    state = environment.root / ".state"
    bucket = bucket or bucket_of(environment)
    console.title(f"Pull media from {environment.name}: {bucket.label}")
    with (
        locked(state, "pull.folder", f"pull into {FOLDER}"),
        remembered(state, environment.name, console.warn) as memory,
        Landing(folder) as landing,
    ):
        pull = Pull(console, wanted, bucket, folder, landing, memory, Rules(environment.media))
        _compare(pull)
        if plan_only:
            return _show(pull, begin)
        _check_room(pull)
        _ask(pull)
        _fetch(pull)
        _delete(pull)
    return _report(pull, begin)


def _compare(pull: Pull) -> None:
    pull.seeds = pull.memory.seeds()  # the memory is for one thread
    with pull.console.step(f"the storage compared with {FOLDER}") as notes:
        listing = beside(lambda: _objects(pull))
        pull.found.files += walk(pull.folder, pull.found, excluded=pull.rules.excluded)
        known = {} if pull.wanted.checksum else pull.memory.known()
        pull.has_md5s = has_md5s(known)
        objects = listing()
        notes.append(f"{len(objects)} objects, {len(pull.found.files)} files")
    files = {file.name: file for file in pull.found.files}
    pull.fold = incoming.folded if pull.landing.folds() else str
    pull.plan = incoming.compare(objects, files, known, pull.rules.left_out, pull.fold)
    _keep_unsendable(pull)
    _read(pull)
    pull.tally.problems += pull.plan.problems
    if pull.plan.twins:
        pull.console.warn(
            f"{pull.plan.twins} names differ from others only in case or unicode form; "
            "disks of macOS and Windows take them for one"
        )


def _keep_unsendable(pull: Pull) -> None:
    """Take no file for extra that no push could ever have sent: it may be the only copy."""
    kept = {file.name for file in pull.plan.extra if pull.bucket.refuses(file.name)}
    pull.plan.extra = [file for file in pull.plan.extra if file.name not in kept]
    if kept and pull.wanted.delete:
        pull.console.warn(f"{_files(len(kept))} with names that no storage takes: stay here")


def _objects(pull: Pull) -> list[Object]:
    """List the storage, in many ranges at once where earlier runs know names."""
    try:
        return list(pull.bucket.listing(pull.seeds).objects)
    except Disordered:
        return list(pull.bucket.listing(None).objects)


def _read(pull: Pull) -> None:
    """Read the files of which nothing is known, and fetch those with other content."""
    # On some disks the file may have another form of the name.
    doubtful = Objects(there._replace(name=file.name) for file, there in pull.plan.read)
    reading = Tally()
    with _bar(pull.console, "read", doubtful.size, reading) as tick:
        found = unequal(str(pull.folder), doubtful, pull.memory, reading, tick)
        other = {name for name, _ in found}
    unread = {problem.name for problem in reading.problems}
    neither = other | unread
    equal = (there.etag for there in doubtful if there.name not in neither)
    pull.has_md5s = pull.has_md5s or any(map(MD5.fullmatch, equal))
    pull.tally.problems += reading.problems
    pull.plan.fetch += [there for file, there in pull.plan.read if file.name in other]
    pull.plan.unchanged += len(doubtful) - len(other) - len(unread)


def _check_room(pull: Pull) -> None:
    """Refuse what cannot fit before anything is touched: files are replaced one by one.

    What ended runs left makes room first; what this one goes on with is there already.
    """
    left = pull.landing.sweep(kept=_resumed(pull))
    coming = [it.size - left.get(temporary_name(it.name, it.etag), 0) for it in pull.plan.fetch]
    replaced = sum(stamp.size for stamp in _replaced(pull).values())
    needed = max(sum(coming) - replaced, *coming, 0)
    free = pull.landing.free - MARGIN
    if needed > free:
        what = f"{size(needed)} are to come, and {size(max(0, free))} are free on this disk"
        raise SlipwayError(FOLDER, what, "make room, then run it again")


def _replaced(pull: Pull) -> dict[str, Stamp]:
    """Return the files in whose place objects come, by the names of these."""
    here = {pull.fold(file.name): file.stamp for file in pull.found.files}
    names = [(there.name, pull.fold(there.name)) for there in pull.plan.fetch]
    return {name: here[folded] for name, folded in names if folded in here}


def _resumed(pull: Pull) -> set[str]:
    """Return the temporary names of what an interrupted run may have left half done."""
    return {temporary_name(it.name, it.etag) for it in pull.plan.fetch if it.size > LARGE}


def _fetch(pull: Pull) -> None:
    objects = pull.plan.fetch
    ends = (pull.bucket, pull.landing, pull.memory, pull.tally)
    fetcher = Fetcher(*ends, _replaced(pull), has_md5s=pull.has_md5s)
    try:
        with _bar(pull.console, "fetch", sum(it.size for it in objects), pull.tally) as tick:
            fetcher.run(objects, tick)
    except OSError as error:
        if error.errno not in FULL:
            raise
        pull.landing.sweep(kept=set())
        what = f"no room is left on this disk after {_files(pull.tally.files)}"
        raise SlipwayError(FOLDER, what, "make room, then run it again") from None
    except (KeyboardInterrupt, SlipwayError):
        pull.landing.sweep(kept=_resumed(pull))
        fetched = f"{pull.tally.files} of {_files(len(objects))} fetched"
        pull.console.warn(f"stopped, {fetched}; the next run goes on from there")
        raise


def _ask(pull: Pull) -> None:
    """Show what --delete would take and ask, before anything is touched."""
    extra = pull.plan.extra if pull.wanted.delete else []
    total = len(pull.found.files)
    if incoming.too_many(len(extra), total) and not pull.wanted.delete_most:
        what = f"{len(extra)} of {_files(total)} would be deleted, more than half"
        raise SlipwayError(
            FOLDER, what, "is this the right storage? --delete-most deletes them all the same"
        )
    if extra:
        _list(pull.console, [f"- {FOLDER}/{readable(file.name)}" for file in extra])
        pull.console.confirm(f"Delete {_files(len(extra))} here?")


def _delete(pull: Pull) -> None:
    """Remove what no object names; nothing where anything else went wrong."""
    extra = pull.plan.extra if pull.wanted.delete else []
    problems = len(pull.tally.problems) + len(pull.found.problems)
    if extra and problems:
        pull.console.warn(f"nothing is deleted: {problems} others have failed")
        return
    for file in extra:
        try:
            pull.landing.remove(file.name, file.stamp)
            pull.deleted += 1
        except OSError as error:
            pull.tally.failed(file.name, error.strerror or str(error))


def _show(pull: Pull, begin: float) -> int:
    there = _replaced(pull)
    changes = [
        Change("media", "change" if it.name in there else "create",
               readable(it.name), size(it.size))
        for it in sorted(pull.plan.fetch)
    ]  # fmt: skip
    if pull.wanted.delete:
        changes += [Change("media", "delete", readable(it.name)) for it in pull.plan.extra]
    plan = Plan(tuple(changes))
    _warn(pull)
    _list(pull.console, [change.line() for change in plan.changes])
    total = size(sum(it.size for it in pull.plan.fetch))
    kept = "" if pull.wanted.delete else f", {len(pull.plan.extra)} only here"
    pull.console.say(f"{_files(len(pull.plan.fetch))} to fetch ({total}), "
                     f"{pull.plan.unchanged} unchanged{kept}")  # fmt: skip
    pull.console.result(
        {**_fields(pull, time.monotonic() - begin), "changes": plan.as_json(), "applied": False}
    )
    return plan.exit_code


def _report(pull: Pull, begin: float) -> int:
    tally, elapsed = pull.tally, time.monotonic() - begin
    _warn(pull)
    deleted = f", {pull.deleted} deleted" if pull.deleted else ""
    failed = f", {len(tally.problems)} failed" if tally.problems else ""
    pull.console.say(
        f"{_files(tally.files)} fetched ({size(tally.size)}), {pull.plan.unchanged} unchanged"
        f"{deleted}{failed}, verified, {seconds(elapsed)}"
    )
    return conclude(pull.console, _fields(pull, elapsed), "could not be fetched or deleted")


def _fields(pull: Pull, elapsed: float) -> dict[str, object]:
    return {
        "downloaded": pull.tally.files,
        "skipped": pull.plan.unchanged,
        "deleted": pull.deleted,
        "failed": len(pull.tally.problems),
        "bytes_received": pull.tally.moved,
        "requests": pull.bucket.requests,
        "seconds": round(elapsed, 3),
    }


def _warn(pull: Pull) -> None:
    for name, reason in sorted(pull.tally.problems):
        pull.console.warn(f"{FOLDER}/{readable(name)}: {reason}")


def _list(console: Console, lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        console.say(line)
    if len(lines) > SHOWN:
        console.say(f"… and {len(lines) - SHOWN} more")


@contextmanager
def _bar(console: Console, text: str, total: int, tally: Tally) -> Iterator[Tick]:
    if not total:
        yield lambda: None
        return
    with console.progress(of_bytes=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.update(task, completed=tally.moved)


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
