"""Compare the files that the database names with the objects that the storage holds."""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from slipway import remote, ssh
from slipway.command import Shell
from slipway.console import Console, seconds
from slipway.environment import Environment
from slipway.errors import OK, UNHEALTHY, CommandError
from slipway.masking import masker
from slipway.objects.bucket import Bucket
from slipway.objects.keys import readable
from slipway.objects.reach import bucket_of
from slipway.sync.rules import Rules

COMMAND = ("python", "manage.py", "cloud_files")
SHOWN = 20
TAIL = 64 * 1024  # bytes of what the site said last
LOOKED_AT = 1000  # names that are asked for one by one, since they may have come meanwhile


class Row(NamedTuple):
    """Hold a row of the database that names a file."""

    field: str
    row: str
    name: str


@dataclass
class Findings:
    """Hold what does not fit."""

    rows: int = 0
    objects: int = 0
    missing: list[Row] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def check_media(
    environment: Environment,
    console: Console,
    *,
    bucket: Bucket | None = None,
    shell: Shell | None = None,
) -> int:
    """List rows whose file is not in the storage, and objects that no row names.

    The rows are read by the deployed release itself, which knows its models and has the
    secrets. Returns 0 where everything fits, else 11. Raises StorageError, HostError or
    CommandError.
    """
    begin = time.monotonic()
    bucket = bucket or bucket_of(environment)
    console.title(f"Check media of {environment.name}: {bucket.label}")
    # Objects first: a file is stored before its row is.
    with console.step("the storage listed") as notes:
        objects = {there.name for there in bucket.listing(None).objects}
        notes.append(f"{len(objects)} objects")
    with console.step("the database asked") as notes:
        rows, elsewhere = _read(_lines(environment, shell or Shell()))
        notes.append(f"{len(rows)} rows name a file")
    rules = Rules(environment.media)
    found = compare(rows, objects, rules)
    found.missing = [row for row in found.missing if _is_missing(bucket, row, found.missing)]
    found.elsewhere = elsewhere
    _show(console, found)
    return _report(console, found, time.monotonic() - begin)


def compare(rows: Iterable[Row], objects: set[str], rules: Rules) -> Findings:
    """Return the rows without an object and the objects without a row, but for the excluded."""
    found, named = Findings(objects=len(objects)), set()
    for row in rows:
        found.rows += 1
        named.add(row.name)
        if row.name not in objects:
            found.missing.append(row)
    found.orphans = sorted(
        name for name in objects - named if not (name.endswith("/") or rules.left_out(name))
    )
    return found


def parse(line: str) -> Row | list[str] | None:
    """Read a line of the command: a row, the fields elsewhere at the end, or something else."""
    try:
        said = json.loads(line)
        if "rows" in said:
            return list(said["elsewhere"])
        # The storage takes a backslash for a slash, as Windows does.
        return Row(str(said["field"]), str(said["row"]), str(said["name"]).replace("\\", "/"))
    except (ValueError, KeyError, TypeError):
        return None


def _read(lines: Iterable[str]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    elsewhere: list[str] | None = None
    for line in lines:
        said = parse(line)
        if isinstance(said, Row):
            rows.append(said)
        elif said is not None:
            elsewhere = said
    if elsewhere is None:
        raise CommandError("manage.py cloud_files", "did not come to its end", "run it again")
    return rows, elsewhere


def _lines(environment: Environment, shell: Shell) -> Iterator[str]:
    """Run the command in a running task of the site and yield what it writes."""
    host, container = remote.find(shell, environment, "web")
    command = ssh.remote(host, "docker", "exec", container, *COMMAND)
    # A file takes whatever the site says beside the rows; a pipe would fill up and block it.
    with tempfile.TemporaryFile() as log:
        process = shell.start(command, stderr=log)
        assert process.stdout
        try:
            for line in process.stdout:
                yield line.decode(errors="replace")
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
        said = log.read().decode(errors="replace")
    if code == 255:
        raise ssh.refusal(host, said)
    if code:
        last = ([line for line in said.splitlines() if line.strip()] or [f"failed ({code})"])[-1]
        hint = "deploy the present code first" if "Unknown command" in said else "see 'invoke logs'"
        raise CommandError(f"{host.name}: manage.py cloud_files", masker(environment)(last), hint)


def _is_missing(bucket: Bucket, row: Row, missing: list[Row]) -> bool:
    """Look again, where they are not too many: it may have come after the listing."""
    # A name that the storage refuses is none that it holds.
    if len(missing) > LOOKED_AT or bucket.refuses(row.name):
        return True
    return bucket.look(row.name) is None


def _show(console: Console, found: Findings) -> None:
    if found.elsewhere:
        console.say(f"not looked at, since they use another storage: {', '.join(found.elsewhere)}")
    if found.missing:
        shown = [(row.field, row.row, readable(row.name)) for row in found.missing[:SHOWN]]
        console.table(("field", "row", "file that is missing"), shown)
    if found.orphans:
        names = [(readable(name),) for name in found.orphans[:SHOWN]]
        console.table(("object that no row names",), names)
    if max(len(found.missing), len(found.orphans)) > SHOWN:
        console.say(f"… the first {SHOWN} of each; --json lists all")


def _report(console: Console, found: Findings, elapsed: float) -> int:
    missing = f"{len(found.missing)} file{'s' * (len(found.missing) != 1)} missing"
    console.say(
        f"{found.rows} rows and {found.objects} objects compared: {missing}, "
        f"{len(found.orphans)} objects that no row names, {seconds(elapsed)}"
    )
    console.result(
        {
            "rows": found.rows,
            "objects": found.objects,
            "missing": [row._asdict() for row in found.missing],
            "orphans": found.orphans,
            "elsewhere": found.elsewhere,
            "seconds": round(elapsed, 3),
        }
    )
    return UNHEALTHY if found.missing or found.orphans else OK
