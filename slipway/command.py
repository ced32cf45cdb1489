"""Run other programs: the only door to subprocesses."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from slipway.errors import CommandError
from slipway.secrets import Secret

Stream = int | IO[bytes] | None


@dataclass(frozen=True, slots=True)
class Command:
    """Describe a program to run: arguments, additional environment, standard input."""

    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(default_factory=dict)
    stdin: bytes | Secret | None = None
    cwd: Path | None = None

    @classmethod
    def of(cls, *argv: str | Path, **options: object) -> "Command":
        """Build a command from its arguments; options are the other fields."""
        return cls(tuple(str(word) for word in argv), **options)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Return the program's own name, for messages."""
        return Path(self.argv[0]).name


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what a program said and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """Return the last line that says something, errors first."""
        lines = [*self.stdout.splitlines(), *self.stderr.splitlines()]
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


class Shell:
    """Run commands on this machine."""

    def run(self, command: Command, *, check: bool = True, timeout: float | None = None) -> Result:
        """Run to the end and return what was said.

        `timeout` is in seconds. Raises CommandError where the program is missing, takes
        longer, or, with `check`, ends with another code than 0.
        """
        try:
            done = subprocess.run(
                command.argv,
                input=_stdin(command),
                stdin=subprocess.DEVNULL if command.stdin is None else None,
                capture_output=True,
                env=_environment(command),
                cwd=command.cwd,
                timeout=timeout,
            )
        except FileNotFoundError:
            raise _missing(command) from None
        except subprocess.TimeoutExpired:
            raise CommandError(command.name, f"gave no result within {timeout:g} s") from None
        result = Result(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        if check and result.code != 0:
            raise CommandError(command.name, f"failed ({result.code}): {result.last_words}")
        return result

    def start(
        self,
        command: Command,
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
        new_session: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a program and return it while it runs; the caller ends it.

        `new_session` keeps Ctrl-C at the terminal away from it.
        """
        try:
            return subprocess.Popen(
                command.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=_environment(command),
                cwd=command.cwd,
                start_new_session=new_session,
            )
        except FileNotFoundError:
            raise _missing(command) from None


def _missing(command: Command) -> CommandError:
    return CommandError(command.name, "is not installed", "run 'make demo' once, or install it")


def _stdin(command: Command) -> bytes | None:
    if isinstance(command.stdin, Secret):
        return command.stdin.reveal().encode()
    return command.stdin


def _environment(command: Command) -> dict[str, str]:
    added = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in command.env.items()
    }
    return {**os.environ, **added}
