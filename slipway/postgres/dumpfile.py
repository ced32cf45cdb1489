"""Restore a dump file into a database: whichever form it has, and only if it is whole."""

import gzip
import shlex
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from slipway.command import Shell
from slipway.errors import ConfigurationError, DatabaseError, SlipwayError
from slipway.postgres import programs, stream
from slipway.postgres.ends import Ends
from slipway.postgres.quoting import identifier

OPTION = "--dump"
MAGIC = {b"PGDMP": "custom", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
ELSEWHERE = {b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz"}
TAR_AT, TAR = 257, b"ustar"
# pg_dump's last words; psql alone would take the half of a file for whole.
END = "PostgreSQL database dump complete"
EXTENSION = "permission denied to create extension"
TAIL, CHUNK = 400, 1 << 18
FAST = "-c synchronous_commit=off"
HAS_ZSTD = """command -v zstd >/dev/null ||
{ echo 'error: no zstd in the image of the database; unpack the dump first' >&2; exit 1; }"""
# Leaves out of plain SQL what it says of owners and grants: as pg_dump writes it, in the entries
# where it writes it, and never a row of a table, a line of a function or of another text. What
# leads to another database would end in the live one.
OWNERS = r"""
function scan(line) {
    while (match(line, open ? "'" : "['\"]")) {
        found = substr(line, RSTART, 1); line = substr(line, RSTART + 1)
        if (found == "'") open = !open
        else line = substr(line, index(line, "\"") + 1)
    }
}
{ line = $0; blank = (before == ""); before = line }
copying { if (line == "\\.") copying = 0; print; next }
body { if (index(line, body)) body = ""; print; next }
!open && /^-- (Data for )?Name: .*; Type: .*; Schema: / {
    type = line; sub(/^.*; Type: /, "", type); sub(/; Schema: .*$/, "", type)
}
/^COPY .* FROM stdin;$/ { copying = 1 }
!open && /^\\c(onnect)?([ \t]|$)/ {
    print "DO $$BEGIN RAISE 'the dump leads to another database: \\connect'; END$$;"; exit
}
type == "TABLE DATA" { scan(line); print; next }
match(line, /^    AS \$[A-Za-z_]*\$/) {
    tag = substr(line, RSTART + 7, RLENGTH - 7)
    if (!index(substr(line, RSTART + RLENGTH), tag)) body = tag
    print; next
}
blank && !open && /^ALTER .* OWNER TO .*;$/ { before = ""; next }
type ~ /ACL$/ && /^(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .*;$/ { next }
open || !/^--/ { scan(line) }
{ print }
"""
LEADS = "leads to another database"


def form(path: Path) -> str:
    """Return directory, custom, gzip, zstd or plain; raises ConfigurationError."""
    if (path / "toc.dat").is_file():
        return "directory"
    if not path.is_file():
        raise ConfigurationError(OPTION, f"{path} is no dump", "name a file of pg_dump")
    with path.open("rb") as file:
        begin = file.read(TAR_AT + len(TAR))
    for magic, named in (*ELSEWHERE.items(), (begin[:TAR_AT] + TAR, "an archive of tar")):
        if begin.startswith(magic):
            hint = "unpack it, or make a dump with --format=custom"
            raise ConfigurationError(OPTION, f"{path} is {named}, which is not read", hint)
    return next((form for magic, form in MAGIC.items() if begin.startswith(magic)), "plain")


def expected_size(path: Path) -> int:
    """Return about how many bytes the database will have."""
    if path.is_dir():
        return 4 * sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size * (2 if form(path) == "plain" else 4)


def check(path: Path) -> None:
    """Read what can be read here, and raise DatabaseError where the file ends too early."""
    kind = form(path)
    try:
        if kind == "plain":
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - TAIL))
                end, begin = file.read(), b""
        elif kind == "gzip":
            with gzip.open(path) as unpacked:
                begin, end = _ends(unpacked)
        else:
            return
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _broken(path) from None
    if not begin.startswith(b"PGDMP") and END.encode() not in end:
        raise _broken(path)


def restore(shell: Shell, ends: Ends, path: Path, progress: Callable[[int], object]) -> int:
    """Restore the file into the arriving database and return the bytes sent.

    Raises DatabaseError: where any statement fails, and where the file is not whole.
    """
    script = _script(ends, form(path))
    target = stream.reader(shell, ends.target, ["bash", "-o", "pipefail", "-c", script], FAST)
    with target as end:
        sent = _send(path, end, progress)
        assert end.process.stdin
        with suppress(BrokenPipeError):
            end.process.stdin.close()
        code = end.process.wait()
        if code:
            raise _explained(end.failure(code))
    return sent


def _explained(error: SlipwayError) -> SlipwayError:
    """Say what helps where only an administrator may create what the dump holds."""
    if isinstance(error, DatabaseError) and LEADS in error.what:
        return DatabaseError(error.where, error.what, "make it again without --create")
    if not isinstance(error, DatabaseError) or EXTENSION not in error.what:
        return error
    hint = "restore it into the local database, and run 'invoke push-db' without --dump"
    return DatabaseError(error.where, error.what, hint)


def _send(path: Path, end: stream.End, progress: Callable[[int], object]) -> int:
    assert end.process.stdin
    counted = Counted(end.process.stdin, progress)
    with suppress(BrokenPipeError):
        if path.is_dir():
            with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="w|") as tar:
                tar.add(path, arcname=".")
        else:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    counted.write(chunk)
    return counted.sent


class Counted:
    """Pass bytes on and count them."""

    def __init__(self, target: IO[bytes], progress: Callable[[int], object]) -> None:
        self._target = target
        self._progress = progress
        self.sent = 0

    def write(self, data: bytes) -> int:
        """Write all of it and return its length."""
        self._target.write(data)
        self.sent += len(data)
        self._progress(len(data))
        return len(data)


def _script(ends: Ends, kind: str) -> str:
    """Write what reads the stream beside the target: unpack, tell the two forms apart, restore."""
    incoming, user = ends.names.incoming, ends.target.user
    archive = shlex.join(programs.restore(user, incoming, ends.owner))
    if kind == "directory":
        folder = 'd=$(mktemp -d) && trap \'rm -rf "$d"\' EXIT && tar -x -C "$d"'
        return f'{folder} && {archive} --jobs="$(nproc)" "$d"'
    unpack = {"gzip": "gzip -dc", "zstd": f"{HAS_ZSTD}; zstd -dcq"}.get(kind, "cat")
    role = f"--command=SET ROLE {identifier(ends.owner)}"
    words = [*programs.psql_stream(user, incoming), "--single-transaction", role]
    words += [*programs.commands([programs.UNTIMED]), "--file=-"]
    return f"""{{ {unpack}; }} | {{
IFS= read -r -N 5 magic
if [ "$magic" = PGDMP ]; then {{ printf PGDMP; cat; }} | {archive}; exit; fi
end=$(mktemp) && trap 'rm -f "$end"' EXIT
exec 9> >(tail -c {TAIL} >"$end"); tail=$!
{{ printf %s "$magic"; cat; }} | tee /dev/fd/9 | awk {shlex.quote(OWNERS)} \\
    | {shlex.join(words)} >/dev/null || exit
exec 9>&-; wait "$tail"
grep -q {shlex.quote(END)} "$end" || {{ echo 'error: the dump is not whole' >&2; exit 1; }}
}}"""


def _ends(file: IO[bytes] | gzip.GzipFile) -> tuple[bytes, bytes]:
    """Read all of a file and return its first and last bytes."""
    begin = end = file.read(CHUNK)
    while chunk := file.read(CHUNK):
        end = (end + chunk)[-TAIL:]
    return begin[:5], end[-TAIL:]


def _broken(path: Path) -> DatabaseError:
    return DatabaseError(str(path), "the dump is not whole", "make it again; nothing was touched")
