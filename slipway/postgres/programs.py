"""Write the argument lists of PostgreSQL's programs, and read what they say (pure)."""

import csv
import io
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slipway.postgres.quoting import connection

ZSTD_SINCE = 160000
# Rows already follow each other as text; more effort than this costs more than it saves.
ZSTD, GZIP = "zstd:1", "gzip:3"
LOCK_WAIT = "30s"
ARRIVES_NOT = ["--no-acl", "--no-publications", "--no-subscriptions", "--no-security-labels"]
# Which program wrote it, and a word that newer ones make up each time.
CHANGING = r"^(\\(un)?restrict |-- Dumped (from|by) )"
PREFIX = re.compile(r"^(psql|pg_dump|pg_restore)(:<stdin>:\d+)?: (error: )?(.*)$")
SERVER_SAID = re.compile(r"^pg_dump: detail: Error message from server: (.+)$")
TELLING = re.compile(r"\b(error|ERROR|FATAL|PANIC):|Error response from daemon:")

# Who may not see the setting is told of the container's own disk.
FOLDER = """SELECT coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), '/')
    AS folder \\gset"""

# Not every version knows them, so that they cannot be options.
UNTIMED = """SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('idle_session_timeout', 'transaction_timeout')"""
UNTIMED_QUIETLY = f"{UNTIMED} \\g /dev/null\n"
TRANSACTIONS_TIMED_SINCE = 170000

Rows = list[list[str]]


def impatient() -> str:
    """Return the settings of a session that does not wait for ever for somebody's lock."""
    return f"-c lock_timeout={LOCK_WAIT}"


def untimed(version: int) -> str:
    """Return the settings of a session whose transactions may take long, for a server's number."""
    return "-c transaction_timeout=0" if version >= TRANSACTIONS_TIMED_SINCE else ""


def psql(user: str, database: str) -> list[str]:
    """Return a psql that reads statements from standard input and answers in CSV."""
    words = ["psql", "--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--no-password"]
    return [*words, "--username", user, "--dbname", connection(database)]


def psql_stream(user: str, database: str) -> list[str]:
    """Return a psql that runs commands, with rows at its standard input or output."""
    words = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    return [*words, "--username", user, "--dbname", connection(database)]


def commands(statements: Sequence[str]) -> list[str]:
    """Return the options that run statements one after the other."""
    return [f"--command={statement}" for statement in statements]


def script(statements: Sequence[str]) -> str:
    """Return statements as psql reads them: there may be more than a command line holds.

    They may take long.
    """
    return UNTIMED_QUIETLY + ";\n".join(statements) + ";\n"


def piped(write: Sequence[str], read: Sequence[str]) -> list[str]:
    """Return one program that pipes one into the other, and fails where either does."""
    return ["bash", "-o", "pipefail", "-c", f"{shlex.join(write)} | {shlex.join(read)}"]


def dump(
    user: str, database: str, version: int, snapshot: str, effort: int | None = None
) -> list[str]:
    """Return a pg_dump that writes one stream; `version` is the server's number.

    `effort` is that of the compression; without it, what suits a link.
    """
    compress = ZSTD if version >= ZSTD_SINCE else GZIP.removeprefix("gzip:")
    compress = compress if effort is None else str(effort)
    words = ["pg_dump", "--format=custom", f"--compress={compress}", f"--snapshot={snapshot}"]
    words += ARRIVES_NOT
    words += [f"--lock-wait-timeout={LOCK_WAIT}", "--no-password"]
    return [*words, "--username", user, "--dbname", connection(database)]


def without(dump: Sequence[str]) -> list[str]:
    """Return a dump without the rows of tables whose names it reads, as listed() writes them.

    A command line does not hold the names of many partitions.
    """
    options = '"${names[@]/#/--exclude-table-data=}"'
    return ["bash", "-c", f'mapfile -d "" -t names; exec {shlex.join(dump)} {options}']


def listed(names: Iterable[str]) -> str:
    """Return names as without() reads them."""
    return "".join(f"{name}\0" for name in names)


def schema(user: str, database: str, snapshot: str = "") -> list[str]:
    """Return a program that writes one line that tells a schema from all others.

    Of a `snapshot` it is that which arrives by restore(), of a database at rest all there is.
    """
    words = ["pg_dump", "--schema-only", "--no-owner", "--no-tablespaces", "--no-password"]
    if snapshot:
        words += [f"--snapshot={snapshot}", *ARRIVES_NOT]
    words += [f"--lock-wait-timeout={LOCK_WAIT}", "--username", user]
    digest = f"grep -aEv {shlex.quote(CHANGING)} | sha256sum"
    return piped([*words, "--dbname", connection(database)], ["sh", "-c", digest])


def restore(user: str, database: str, owner: str, contents: str = "") -> list[str]:
    """Return a pg_restore that reads such a stream and stops at the first error.

    `contents` is the path of a file that lists what is to be restored; without it, all is.
    """
    words = ["pg_restore", "--exit-on-error", "--no-owner", "--no-tablespaces", *ARRIVES_NOT]
    words += [f"--use-list={contents}"] if contents else []
    words += [f"--role={owner}", "--no-password", "--username", user]
    return [*words, "--dbname", connection(database)]


def selected(listing: str, extensions: Mapping[str, str]) -> str:
    """Return a list of contents without the extensions (name: schema) and their schemas."""
    names = "|".join(re.escape(name) for name in extensions)
    schemas = "|".join(re.escape(name) for name in extensions.values())
    made = re.compile(
        rf"\d+; \d+ \d+ (EXTENSION - ({names})|COMMENT - EXTENSION \"?({names})\"?"
        rf"|SCHEMA - ({schemas})) \S*"
    )
    return "\n".join(line for line in listing.splitlines() if not made.fullmatch(line)) + "\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """Hold what is beside a server: cores, whether zstd is there, free bytes of its disk."""

    cores: int
    zstd: bool
    free: int


def ask_machine(*, beside: bool) -> str:
    """Write what lets psql tell of the machine it runs on.

    The disk is that with the server's data where the two are `beside` each other.
    """
    folder = FOLDER if beside else "\\set folder /"
    script = (
        "nproc; command -v zstd >/dev/null && echo zstd || echo; df -P -k :'folder' | tail -n 1"
    )
    return f"{folder}\n\\set machine `{script}`\n\\echo :machine"


def machine(said: Rows) -> Machine:
    """Read what psql said of it; raises ValueError or IndexError where a program failed."""
    cores, zstd, disk = [" ".join(row) for row in said]
    return Machine(int(cores), zstd == "zstd", int(disk.split()[-3]) * 1024)


def rows(said: str) -> Rows:
    """Read psql's CSV."""
    return list(csv.reader(io.StringIO(said, newline="")))


def explain(said: str) -> str:
    """Return the line of a program's messages that tells why it failed, without its name."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    from_server = [found[1] for found in map(SERVER_SAID.match, lines) if found]
    telling = [*from_server, *filter(TELLING.search, lines), *lines[-1:], "it ended without a word"]
    found = PREFIX.match(telling[0])
    return re.sub(r"^(ERROR|FATAL):\s+", "", found[4] if found else telling[0])
