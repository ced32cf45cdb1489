"""Hold one psql open and ask it one thing after the other."""

import os
import secrets
import subprocess
import tempfile
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Self

from slipway.command import Shell
from slipway.errors import DatabaseError
from slipway.postgres import programs, quoting
from slipway.postgres.programs import Rows
from slipway.postgres.server import SUPERUSER, Server

CLOSING_SECONDS = 2
MOST_SAID = 1 << 20


class StatementError(DatabaseError):
    """Say what the server refused; `state` is the SQLSTATE."""

    def __init__(self, where: str, what: str, state: str) -> None:
        self.state = state
        super().__init__(where, what)


class Session:
    """Keep one connection to a server; it ends with the process that holds it.

    It is not waited for: the first answer tells whether the server could be reached. Several
    statements may be posted before the answers are received, in their order.
    """

    def __init__(
        self, shell: Shell, server: Server, database: str = SUPERUSER, options: str = ""
    ) -> None:
        self._server = server
        # Random, for no row may look like it.
        self._mark = secrets.token_hex(8)
        self._writing: Thread | None = None
        self._told = 0
        self._reported: list[str] = []
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = shell.start(
            server.command(programs.psql(server.user, database), options),
            stdin=subprocess.PIPE, stderr=self._errors, new_session=True,
        )  # fmt: skip
        self._write(programs.UNTIMED_QUIETLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def query(self, sql: str) -> Rows:
        """Run statements and return their rows; raises StatementError, DatabaseError, HostError.

        What is reported is the error of the last statement.
        """
        self.post(sql)
        return self.receive()

    def ask(self, *statements: str) -> list[Rows]:
        """Run statements without waiting between them, and return the rows of each.

        Where some fail the others still run, and the first error is raised.
        """
        return self.collect(self.post(*statements))

    def post(self, *statements: str) -> int:
        """Start statements and return how many answers there will be."""
        end = f"\n\\echo {self._mark}\n\\echo :ERROR :SQLSTATE :LAST_ERROR_MESSAGE\n"
        end += f"\\echo {self._mark}\n"
        self._write("".join(f"{sql}{end}" for sql in statements))
        return len(statements)

    def collect(self, count: int) -> list[Rows]:
        """Wait for answers to what was posted; raises what ask() raises."""
        answers, errors = list[Rows](), list[StatementError]()
        for _ in range(count):
            try:
                answers.append(self.receive())
            except StatementError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return answers

    def receive(self) -> Rows:
        """Wait for the rows of one statement that was posted."""
        answer, report = self._read(), self._read()
        # What goes wrong later is not explained by what went wrong before.
        self._told = os.fstat(self._errors.fileno()).st_size
        failed, state, message = [*report.split(maxsplit=2), ""][:3]
        if failed == "true":
            self._reported.append(message.partition("\n")[0].rstrip())
            raise StatementError(self._server.where, message, state)
        return programs.rows(answer)

    def connect(self, database: str = SUPERUSER) -> None:
        """Go on in another database of the server; where it cannot be had the session is over.

        The next answer tells.
        """
        self._write(f"{quoting.reconnection(database)}\n{programs.UNTIMED_QUIETLY}")

    def end(self) -> None:
        """Let the connection end by itself; close() waits for it."""
        if self._writing:
            self._writing.join()
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def close(self) -> None:
        """End the connection; a statement that still runs is not waited for long."""
        if self._errors.closed:
            return
        if self._writing:
            self._writing.join(CLOSING_SECONDS)
            if self._writing.is_alive():
                self._process.kill()
        self.end()
        try:
            self._process.wait(timeout=CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._errors.close()

    def _write(self, text: str) -> None:
        """Write without waiting: whose answers nobody reads stops reading."""
        if self._writing:
            self._writing.join()
        self._writing = Thread(target=self._put, args=(text.encode(),), daemon=True)
        self._writing.start()

    def _put(self, text: bytes) -> None:
        assert self._process.stdin
        # Where psql is gone its own words tell more: receive() reads them.
        with suppress(BrokenPipeError):
            self._process.stdin.write(text)
            self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout
        lines: list[bytes] = []
        for line in self._process.stdout:
            if line.strip() == self._mark.encode():
                return b"".join(lines).decode(errors="replace")
            lines.append(line)
        code = self._process.wait()
        said = os.pread(self._errors.fileno(), MOST_SAID, self._told)
        # Docker may bring after an answer what psql said before it.
        old = tuple(f"ERROR:  {message}" for message in self._reported)
        texts = said.decode(errors="replace").splitlines()
        raise self._server.failure("\n".join(one for one in texts if not one.endswith(old)), code)
