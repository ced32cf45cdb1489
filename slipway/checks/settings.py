"""Look at an environment's files and at what its DSNs lead to; write nothing."""

import email.utils
import http.client
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from slipway import dsn, preflight, variables
from slipway.checks import access, data
from slipway.environment import Environment
from slipway.errors import ConfigurationErrors
from slipway.findings import Finding
from slipway.objects import reach
from slipway.objects.shards import Disordered

TEMPLATE = "app.env.j2"
NAME = re.compile(r"^([A-Z_]+)=", re.MULTILINE)
OTHERS_MAY = 0o077
SECONDS = 8


def group(environment: Environment) -> str:
    """Return what findings about an environment's files stand under."""
    return f"env/{environment.name}"


def files(environment: Environment) -> Iterator[Finding]:
    """Look whether the env file is complete and private, and the files of a deploy are there."""
    where, path = group(environment), environment.env_file
    if not path.is_file():
        hint = f"'invoke provision -e {environment.name}' makes it, or get it from a colleague"
        yield Finding(where, "env file", "fail", f"env/{path.name} is missing", hint)
        return
    if path.stat().st_mode & OTHERS_MAY:
        yield Finding(where, "env file", "fail", "others can read it", f"chmod 600 env/{path.name}")
    template = (environment.root / "env" / TEMPLATE).read_text(encoding="utf-8")
    lacking = [name for name in NAME.findall(template) if name not in environment.variables]
    try:
        preflight.check_files(environment)
    except ConfigurationErrors as error:
        for one in error.problems:
            yield Finding(where, "complete", "fail", f"{one.where}: {one.what}", one.hint)
        return
    if lacking:
        hint = f"'invoke provision -e {environment.name}' adds them"
        yield Finding(where, "complete", "warn", f"lacks {', '.join(lacking)}", hint)
        return
    count = len(environment.variables)
    yield Finding(where, "complete", "ok", f"{count} variables, DSNs readable")


def storage(environment: Environment) -> Iterator[Finding]:
    """Use the storage's DSN as the site does: ask for the first page of what is there.

    Raises StorageError where it is refused, ConfigurationError for a bad DSN.
    """
    where, address = group(environment), variables.storage(environment)
    if isinstance(address, dsn.FileDsn):
        yield Finding(where, "storage DSN", "ok", data.folder(address))
        return
    bucket = reach.bucket_of(environment)
    # In whatever order: it has answered.
    with suppress(Disordered):
        next(iter(bucket.listing().objects), None)
    yield Finding(where, "storage DSN", "ok", f"opens {bucket.label}")
    if date := _date(address.api):
        yield access.clock(where, date[1] - date[0])


def database(environment: Environment) -> list[Finding]:
    """Read the database's URL; raises ConfigurationError for a bad one."""
    where = group(environment)
    url = dsn.database(environment.variable("DATABASE_URL"), f"{where}.env: DATABASE_URL")
    return [Finding(where, "database DSN", "ok", f"{url.name} on {url.host}, port {url.port}")]


def _date(address: str) -> tuple[float, float] | None:
    """Return when a server was asked, and which time it says it was, in whole seconds."""
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=SECONDS)
    try:
        begin = time.time()
        connection.request("HEAD", "/")
        said = connection.getresponse().getheader("Date")
        end = time.time()
        there = email.utils.parsedate_to_datetime(said).timestamp() if said else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if there is None:
        return None
    # It says no fractions of a second.
    return (begin, there + 1) if there + 1 < begin else (end, max(there, end))
