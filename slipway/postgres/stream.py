"""Carry one stream from a program that writes it to a program that reads it."""

import io
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import IO

from slipway.command import Shell
from slipway.errors import DatabaseError, SlipwayError
from slipway.postgres.server import Server

CHUNK = 1 << 18
ENDING_SECONDS = 3


@dataclass(frozen=True, slots=True)
class End:
    """Hold one end of a stream while it runs: the program, and where it speaks of errors."""

    server: Server
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def failure(self, code: int) -> SlipwayError:
        """Return why the program failed, in one line."""
        self.errors.seek(0)
        return self.server.failure(self.errors.read().decode(errors="replace"), code)


class Crew:
    """Know which programs run, to end them all where one has failed."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._ended = False

    @contextmanager
    def joined(self, opening: AbstractContextManager[End]) -> Iterator[End]:
        """Run a program as one of the crew."""
        with opening as end:
            with self._lock:
                self._running.add(end.process)
                if self._ended:
                    end.process.kill()
            try:
                yield end
            finally:
                with self._lock:
                    self._running.discard(end.process)

    def end(self) -> None:
        """End all programs, and those that join later."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()


@contextmanager
def writer(
    shell: Shell, server: Server, argv: list[str], options: str = "", script: str = ""
) -> Iterator[End]:
    """Run a program whose output is the stream; `script` is what it reads."""
    with tempfile.TemporaryFile() as said:
        said.write(script.encode())
        said.seek(0)
        with _running(shell, server, argv, options, stdin=said, stdout=subprocess.PIPE) as end:
            yield end


@contextmanager
def reader(shell: Shell, server: Server, argv: list[str], options: str = "") -> Iterator[End]:
    """Run a program whose input is the stream; `options` are settings for its session."""
    with _running(shell, server, argv, options, stdin=subprocess.PIPE) as end:
        yield end


def carry(source: End, target: End, head: bytes, progress: Callable[[int], object]) -> int:
    """Carry everything over and return the bytes; `head` was read from the source before.

    Memory stays constant. `progress` gets the bytes of each step. Raises DatabaseError or
    HostError with the words of the end that failed first.
    """
    sent = _pump(source, target, head, progress)
    if sent is None:
        code = target.process.wait()
        raise (
            target.failure(code)
            if code
            else DatabaseError(
                target.server.where, "the restore ended before the stream did", "run it again"
            )
        )
    code = source.process.wait()
    if code:
        # Only a whole stream may end: the reader must not take the rest for complete.
        target.process.kill()
        raise source.failure(code)
    assert target.process.stdin
    with suppress(BrokenPipeError):
        target.process.stdin.close()
    code = target.process.wait()
    if code:
        raise target.failure(code)
    return sent


def peek(source: End, shell: Shell, argv: list[str]) -> tuple[bytes, str]:
    """Read a stream until `argv` has seen enough; return what was read and what it said."""
    head = bytearray()
    with tempfile.TemporaryFile() as said:
        with _running(shell, source.server, argv, "", stdin=subprocess.PIPE, stdout=said) as end:
            assert source.process.stdout
            assert end.process.stdin
            with suppress(BrokenPipeError):
                while end.process.poll() is None and (chunk := _next(source)):
                    head += chunk
                    end.process.stdin.write(chunk)
                    end.process.stdin.flush()
                end.process.stdin.close()
            code = end.process.wait()
            if code:
                raise _first(source, end, code)
        said.seek(0)
        return bytes(head), said.read().decode(errors="replace")


def _pump(source: End, target: End, head: bytes, progress: Callable[[int], object]) -> int | None:
    sent, chunk = 0, head or _next(source)
    while chunk:
        try:
            assert target.process.stdin
            target.process.stdin.write(chunk)
            target.process.stdin.flush()
        except BrokenPipeError:
            return None
        sent += len(chunk)
        progress(len(chunk))
        chunk = _next(source)
    return sent


def _next(source: End) -> bytes:
    assert isinstance(source.process.stdout, io.BufferedReader)
    return source.process.stdout.read1(CHUNK)


def _first(source: End, target: End, code: int) -> SlipwayError:
    """Return the source's failure where it has one: it explains the target's."""
    with suppress(subprocess.TimeoutExpired):
        failed = source.process.wait(timeout=ENDING_SECONDS)
        if failed:
            return source.failure(failed)
    return target.failure(code)


@contextmanager
def _running(
    shell: Shell,
    server: Server,
    argv: list[str],
    options: str,
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[End]:
    with tempfile.TemporaryFile() as errors:
        process = shell.start(
            server.command(argv, options),
            stdin=stdin, stdout=stdout, stderr=errors, new_session=True,
        )  # fmt: skip
        try:
            yield End(server, process, errors)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(BrokenPipeError):
                stream.close()
