"""Take the steps of a push: compare, ask, send, clean up, delete."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import ENOENT
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from slipway.console import Console
from slipway.errors import SlipwayError, StorageError
from slipway.objects.bucket import Bucket, ObjectError
from slipway.objects.keys import overlong, readable
from slipway.objects.listing import Object
from slipway.objects.shards import SPACING, Disordered
from slipway.settings.media import Media
from slipway.sync.crew import Crew, Gang, Tick, beside
from slipway.sync.memory import Memory
from slipway.sync.parts import discard
from slipway.sync.plan import Comparison, Names, Objects, compare
from slipway.sync.proof import unequal
from slipway.sync.pushed import Pushed
from slipway.sync.renames import THREADS, Copier, candidates
from slipway.sync.rules import Rules
from slipway.sync.scan import File, Problem, Scan, walk
from slipway.sync.send import Sender
from slipway.sync.tally import Tally

T = TypeVar("T")
GOODBYE = 1.0  # s for what is written after Ctrl-C
LOOKED_AT = 1_000  # objects that are looked at once more before they are deleted
SHOWN = 50  # objects that are listed by name before they are deleted


@dataclass
class Outcome:
    """Hold what a push found and did."""

    unchanged: int = 0
    copied: int = 0
    deleted: int = 0
    objects: int = 0
    ours: int = 0  # objects that could have come from here
    gone: Objects = field(default_factory=Objects)
    tally: Tally = field(default_factory=Tally)


class Push:
    """Hold the two sides of a push, and what is known of them so far."""

    def __init__(
        self,
        folder: Path,
        bucket: Bucket,
        memory: Memory,
        console: Console,
        outcome: Outcome,
        settings: Media,
    ) -> None:
        self._folder = folder
        self._bucket = bucket
        self._memory = memory
        self._console = console
        self._outcome = outcome
        self._rules = Rules(settings)
        self._plan = Comparison()
        self._wanted = 0

    def compare(self, *, checksum: bool) -> None:
        """List both sides and find what differs; raises StorageError."""
        console, outcome = self._console, self._outcome
        with console.step(f"{self._folder.parent.name}/media compared with the bucket") as notes:
            found, counted = self._plan_in_order(checksum=checksum)
            notes.append(f"{counted} files, {outcome.objects} objects")
            if found.left_out:
                notes.append(f"{found.left_out} temporary or excluded files left out")
        outcome.tally.problems += found.problems
        self._memory.forget(self._plan.forgotten)
        changed, same = self._read(self._plan.read)
        for name, length in changed:
            self._plan.send.add(name, length)
        outcome.unchanged = self._plan.unchanged + same
        outcome.gone = Objects(there for there in self._plan.gone if self._is_ours(there.name))
        outcome.ours = outcome.objects - len(self._plan.gone) + len(outcome.gone)
        self._wanted = len(self._plan.send) + len(self._plan.new)

    def ask_to_delete(self, typed_name: str, *, most: bool, kept: bool) -> None:
        """Show what goes and ask; raises Declined, or SlipwayError where it is too much.

        `kept` says whether the storage is to keep what is deleted.
        """
        outcome = self._outcome
        if outcome.tally.problems and outcome.gone:
            self._console.warn("nothing is deleted, since not everything here could be read")
            outcome.gone = Objects()
        self._keep_what_cannot_be_here()
        if not outcome.gone:
            return
        if 2 * len(outcome.gone) > outcome.ours and not most:
            raise SlipwayError(
                self._bucket.label,
                f"{len(outcome.gone)} of {outcome.ours} objects have no file here",
                "is this the right folder? --delete-most deletes them all the same",
            )
        self._console.say(f"{len(outcome.gone)} objects have no file here and will be deleted:")
        for there in islice(outcome.gone, SHOWN):
            self._console.say(f"  - {readable(there.name)}")
        if len(outcome.gone) > SHOWN:
            self._console.say(f"  … and {len(outcome.gone) - SHOWN} more")
        if not kept:
            self._console.warn("storage.versioning is not set: there may be no way back")
        self._console.confirm("Delete them after everything is sent?", type_name=typed_name)

    def _keep_what_cannot_be_here(self) -> None:
        outcome = self._outcome
        gone = Objects(there for there in outcome.gone if self._could_be_here(there.name))
        if stay := len(outcome.gone) - len(gone):
            count = f"{stay} object{'s' if stay > 1 else ''}"
            self._console.warn(f"{count} without a file stay: something here is called alike")
            outcome.gone = gone
            outcome.ours -= stay

    def replaced(self, *, delete: bool) -> list[str]:
        """Return the names of objects that send() and, if asked for, delete() take away."""
        gone = [there.name for there in self._outcome.gone] if delete else []
        return [file.name for file in self._plan.send] + gone

    def send(self, pushed: Pushed) -> None:
        """Copy what was renamed and send the rest; raises StorageError."""
        outcome, folder = self._outcome, str(self._folder)
        found, rest = candidates(self._plan.new, self._plan.gone, folder)
        known = (self._bucket, self._memory, outcome.tally, self._rules.meta_of, pushed.sends)
        copier = Copier(*known)
        left = copier.run(found, lambda: None) if found else []
        outcome.copied = copier.copied
        everything = self._plan.send
        for name, size in (*left, *rest):
            everything.add(name, size)
        sender = Sender(folder, *known)
        with self._bar("send", everything.size, outcome.tally) as tick:
            sender.run(everything, tick)

    def clean_up(self) -> None:
        """Abort the uploads in parts that earlier runs began and this one did not go on with."""
        try:
            for upload in self._memory.uploads():
                discard(self._bucket, self._memory, upload)
        except StorageError as error:
            self._console.warn(f"parts of an interrupted upload stay in the bucket: {error.line()}")

    def delete(self, pushed: Pushed) -> None:
        """Delete the objects that were asked about, unless something was not sent."""
        outcome = self._outcome
        if outcome.gone and outcome.tally.problems:
            self._console.warn("nothing was deleted, since not everything could be sent")
            return
        gone = [one for one in self._unchanged(outcome.gone) if self._could_be_here(one.name)]
        for there in gone:
            pushed.deletes(there.name, there.etag)
        names = [there.name for there in gone]
        failed = 0
        for name, reason in self._bucket.delete(names):
            outcome.tally.failed(name, f"could not be deleted: {reason}")
            failed += 1
        outcome.deleted = len(names) - failed

    def _unchanged(self, gone: Objects) -> list[Object]:
        """Look at objects again and leave out those that are others by now.

        Where there are so many that it would take minutes, no ETag is told of any.
        """
        if len(gone) > LOOKED_AT:
            return [there._replace(etag="") for there in gone]
        same: set[Object] = set()
        changed: list[str] = []

        def look(there: Object) -> None:
            try:
                now = self._bucket.look(there.name)
            except ObjectError as error:
                self._outcome.tally.failed(there.name, f"could not be deleted: {error.what}")
                return
            if now and now.etag == there.etag:
                same.add(there)
            elif now:
                changed.append(there.name)

        Crew().run(Gang(list(gone), look, THREADS), tick=lambda: None)
        if changed:
            self._console.warn(f"{len(changed)} objects changed since they were listed, and stay")
        return [there for there in gone if there in same]

    def leave(self) -> None:
        """Say how far a run came that ends early."""
        if self._wanted:
            sent = f"{self._outcome.tally.files} of {files(self._wanted)} sent"
            self._console.warn(f"stopped, {sent}; the next run goes on from there")
        with suppress(TimeoutError):
            beside(self._memory.save)(GOODBYE)

    def _plan_in_order(self, *, checksum: bool) -> tuple[Scan, int]:
        """Walk through both sides and the memory at once."""
        seeds = self._memory.seeds() or _cuts(self._folder)
        before = len(self._outcome.tally.problems)
        with suppress(Disordered):
            return self._walk(seeds, checksum=checksum)
        # Not while an exception still holds what was read half.
        del self._outcome.tally.problems[before:]
        return self._walk(None, checksum=checksum)

    def _walk(self, seeds: list[str] | None, *, checksum: bool) -> tuple[Scan, int]:
        found = Scan()
        listing = self._bucket.listing(seeds)
        files = walk(self._folder, found, listing.order, self._rules.excluded)
        local = _Count(self._sendable(files))
        there = _Count(listing.objects)
        known = iter(()) if checksum else self._memory.rows(listing.order)
        self._plan = compare(local, there, known, listing.order)
        self._outcome.objects = there.count
        return found, local.count

    def _sendable(self, files: Iterator[File]) -> Iterator[File]:
        for file in files:
            reason = self._bucket.refuses(file.name)
            if reason:
                self._outcome.tally.problems.append(Problem(file.name, reason))
            else:
                yield file

    def _is_ours(self, name: str) -> bool:
        """Tell whether an object could have come from here: others are never deleted."""
        refused = self._bucket.refuses(name) or overlong(name)
        return not refused and not self._rules.left_out(name)

    def _could_be_here(self, name: str) -> bool:
        """Tell whether a file of that name could lie here, and none does.

        None can where a folder is called so, below a file, or on some disks beside a file that is
        called alike: pull-media has refused the object then, which may be all there is of it.
        """
        try:
            os.lstat(self._folder / name)
        except OSError as error:
            # A file in the place of its folder is another error.
            return error.errno == ENOENT
        return False

    def _read(self, doubtful: Objects) -> tuple[Names, int]:
        reading = Tally()
        with self._bar("read", doubtful.size, reading) as tick:
            changed = unequal(str(self._folder), doubtful, self._memory, reading, tick)
        self._outcome.tally.problems += reading.problems
        return changed, len(doubtful) - len(changed) - len(reading.problems)

    @contextmanager
    def _bar(self, text: str, total: int, tally: Tally) -> Iterator[Tick]:
        if not total:
            yield lambda: None
            return
        with self._console.progress(of_bytes=True) as progress:
            task = progress.add_task(text, total=total)

            def tick() -> None:
                done = f"{text}, {files(tally.files)} done"
                progress.update(task, completed=tally.moved, description=done)

            yield tick


class _Count(Generic[T]):
    """Pass items on and count them."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[T]:
        for item in self._items:
            self.count += 1
            yield item


def _cuts(folder: Path) -> list[str]:
    """Return names at which a listing may be cut, from the files here."""
    names = sorted(file.name for file in walk(folder, Scan()))
    return [name for name in names[SPACING - 1 :: SPACING] if name.isprintable()]


def files(count: int) -> str:
    """Return a number of files for people."""
    return f"{count} file" if count == 1 else f"{count} files"
