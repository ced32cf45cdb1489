"""Speak to the person: calm lines on standard output, progress on standard error."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.markup import escape

from slipway.errors import Declined

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.status import Status

UNFOLDED = 100_000


class Console:
    """Print steps and results; with `as_json` standard output holds one JSON object only."""

    def __init__(self, *, as_json: bool = False, assume_yes: bool = False) -> None:
        self.as_json = as_json
        self.assume_yes = assume_yes
        self.out = RichConsole(stderr=as_json, highlight=False, soft_wrap=True)
        self.err = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.parts: dict[str, float] = {}
        self._status: Status | None = None
        self._running = ""

    def title(self, text: str) -> None:
        """Print the headline of a run."""
        self.out.print(text, style="bold", markup=False)

    def say(self, text: str) -> None:
        """Print one calm line; a terminal gets it folded below its beginning."""
        width = self.out.width if self.out.is_terminal else UNFOLDED
        first, *rest = wrap(text, width - 6, break_long_words=False, break_on_hyphens=False) or [""]
        self.out.print("\n      ".join([f"  {first}", *rest]), markup=False)

    def warn(self, text: str) -> None:
        """Print one line that wants attention, on standard error."""
        self.err.print(f"! {text}", style="yellow", markup=False)

    def tick(self, text: str) -> None:
        """Show what is being done now, in the place of the running step, on a terminal."""
        if self._status:
            self._status.update(f"{self._running}: {escape(text)}")

    @contextmanager
    def step(self, text: str, part: str = "") -> Iterator[list[str]]:
        """Show that something runs, then one line with its time.

        Yields a list: the words appended to it are shown behind the line. The time is added to
        that of a `part` in `parts` (in seconds).
        """
        notes: list[str] = []
        begin = time.monotonic()
        with self._shown(text):
            yield notes
        took = time.monotonic() - begin
        if part:
            self.parts[part] = round(self.parts.get(part, 0.0) + took, 3)
        note = f"  {', '.join(notes)}" if notes else ""
        self.out.print(f"  ✓ {text}{note}  {seconds(took)}", markup=False)

    @contextmanager
    def _shown(self, text: str) -> Iterator[None]:
        if not self.err.is_terminal or self._status:
            yield
            return
        with self.err.status(escape(text)) as self._status:
            self._running = escape(text)
            try:
                yield
            finally:
                self._status = None

    def confirm(self, question: str, *, type_name: str = "") -> None:
        """Ask before acting; raises Declined on anything but yes.

        With `type_name` that very text must be typed, as for a live environment.
        """
        if self.assume_yes:
            return
        if not sys.stdin.isatty():
            raise Declined(
                "", "nobody is there to answer", "add --yes to go ahead without a question"
            )
        wanted = f"type {type_name} to go ahead" if type_name else "[y/N]"
        self.err.print(f"{question} {wanted} ", end="", markup=False)
        try:
            answer = input().strip()
        except EOFError:
            answer = ""
            self.err.print()
        except KeyboardInterrupt:
            # What is said of it begins on a line of its own.
            self.err.print()
            raise
        if (answer != type_name) if type_name else (answer.lower() not in {"y", "yes"}):
            wanted = f"type {type_name}" if type_name else "answer yes"
            raise Declined("", "nothing was done", f"run it again and {wanted}")

    def progress(self, *, of_bytes: bool = False) -> "Progress":
        """Return a progress bar on standard error, silent where that is no terminal."""
        # Only here: it takes longer to load than a push that sends nothing may take.
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = [TextColumn("  {task.description}"), BarColumn(bar_width=24)]
        counted = [DownloadColumn(), TransferSpeedColumn()] if of_bytes else [MofNCompleteColumn()]
        return Progress(
            *columns,
            *counted,
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows below their headings, each column as wide as it must be.

        On a terminal that is too narrow the columns that do not fit stand on a second line.
        """
        lines = [list(columns), *(list(row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        room = self.out.width if self.out.is_terminal else UNFOLDED
        ends = accumulate(width + 2 for width in widths)
        fitting = sum(end - 2 <= room for end in ends) or 1
        for line in lines:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            self.out.print("  ".join(cells[:fitting]).rstrip(), markup=False)
            if rest := "  ".join(cells[fitting:]).rstrip():
                self.out.print(f"    {rest}", markup=False)

    def result(self, fields: Mapping[str, object]) -> None:
        """Print the JSON object of the run, where JSON was asked for."""
        if self.as_json:
            try:
                sys.stdout.write(json.dumps(fields) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                # Whoever asked has gone; Python would complain once more at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def seconds(value: float) -> str:
    """Return a duration (in seconds) for people: `0.4 s`, `12 s`, `2 min 05 s`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    return f"{int(value // 60)} min {int(value % 60):02d} s"


def size(count: float) -> str:
    """Return a number of bytes for people, in decimal units: `950 B`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")
