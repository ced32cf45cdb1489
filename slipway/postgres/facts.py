"""Hold what two servers said of themselves, and whether a push can go well (pure)."""

import json
from dataclasses import dataclass
from typing import Any

from slipway.console import size
from slipway.errors import DatabaseError
from slipway.postgres.names import Names
from slipway.postgres.programs import Machine

OLDEST = 140000
# The copy's indexes are as large as the source's.
ROOM = 1.1
SPARE = 64_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """Hold what the local database said: version number, encoding, bytes, extension: schema."""

    version: int
    encoding: str
    size: int
    extensions: dict[str, str]
    large_objects: bool = False
    roles: tuple[str, ...] = ()
    collation: str = ""
    superuser: bool = True
    event_triggers: bool = False

    @classmethod
    def read(cls, answer: str) -> "Source":
        """Read the answer to SOURCE_FACTS."""
        return cls(**json.loads(answer))


@dataclass(frozen=True, slots=True)
class Target:
    """Hold what the environment's server said.

    `live` is the row of pg_database, `extensions` says which may be had and whether their
    database's owner may create them, `requires` which others these need; `folder` is where the
    data lies, and the bytes that the `log` of the writes may grow to.
    """

    version: int
    role: bool
    live: dict[str, Any] | None
    extensions: dict[str, bool]
    lz4: bool
    folder: str | None
    superuser: bool = True
    roles: tuple[str, ...] = ()
    clients: int = 0
    prepared: int = 0
    replicated: tuple[str, ...] = ()
    log: int = 0
    requires: dict[str, list[str]] | None = None

    @classmethod
    def read(cls, answer: str) -> "Target":
        """Read the answer to target_facts."""
        return cls(**json.loads(answer))


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold what both sides said."""

    source: Source
    target: Target
    here: Machine
    there: Machine

    @property
    def untrusted(self) -> dict[str, str]:
        """Return the extensions, with their schemas, that only an administrator may create.

        So are those that they need.
        """
        found = {one for one in self.source.extensions if not self.target.extensions[one]}
        waiting = list(found)
        while waiting:
            more = set((self.target.requires or {}).get(waiting.pop(), ())) - found
            found |= more
            waiting += more
        # In the order in which the source has them: what is needed comes first.
        return {name: at for name, at in self.source.extensions.items() if name in found}


def check(where: str, found: Facts, names: Names, hint: str) -> None:
    """Raise DatabaseError where a copy cannot go well; `hint` says what makes the target."""
    source, target, free = found.source, found.target, found.there.free
    _check_versions(where, source, target)
    if target.live is None or not target.role:
        what = f"the database {names.live} or its owner does not exist"
        raise DatabaseError(where, what, hint)
    _check_encoding(where, source.encoding, str(target.live["name"]))
    roles = sorted(set(source.roles) - set(target.roles))
    if roles:
        what = f"the server has no role {', '.join(roles)}, which policies name"
        raise DatabaseError(where, what, "create it there, or drop those policies")
    check_prepared(where, names, target.prepared)
    if target.replicated:
        what = f"{names.live} cannot be replaced under its {', '.join(target.replicated)}"
        raise DatabaseError(where, what, "drop it, and make it anew after the switch")
    if source.event_triggers:
        what = "the source has event triggers, which only an administrator may create"
        raise DatabaseError(where, what, "drop them there")
    lacking = sorted(source.extensions.keys() - target.extensions.keys())
    if lacking:
        what = f"the server has no extension {', '.join(lacking)}"
        raise DatabaseError(where, what, "choose another [database] image, or drop it locally")
    needed = room(source.size, target)
    # Without a folder its disk cannot be looked at.
    if target.folder and free < needed:
        what = f"{size(free)} free on its disk, {size(needed)} needed for a second copy"
        raise DatabaseError(where, what, "make room there; the database was not touched")


def check_prepared(where: str, names: Names, count: int) -> None:
    """Raise DatabaseError where there are prepared transactions: nothing ends them."""
    if count:
        what = f"{names.live} has prepared transactions ({count}), and cannot be switched"
        raise DatabaseError(where, what, "COMMIT PREPARED or ROLLBACK PREPARED: pg_prepared_xacts")


def check_tables(where: str, count: int, names: Names, there: int) -> None:
    """Raise DatabaseError where nothing would take the place of something."""
    if there and not count:
        what = f"there is no table, and {names.live} has {there}"
        raise DatabaseError(where, what, "is this the right database? 'migrate' makes its tables")


def room(count: int, target: Target) -> float:
    """Return how many bytes a copy of a database of `count` bytes needs on the target's disk.

    What the log of the writes cannot take ends the server, the live database included.
    """
    return count * ROOM + min(count, target.log or 0) + SPARE


def notes(found: Facts) -> list[str]:
    """Say what is worth knowing before the switch: who is connected, what sorts otherwise."""
    clients = found.target.clients
    said = [f"{clients} client{'s' * (clients != 1)} connected"] if clients else []
    here, there = found.source.collation, (found.target.live or {}).get("datcollate")
    if here and there and here != there:
        said.append(f"texts will sort as {there}, not {here}")
    return said


def _check_encoding(where: str, here: str, there: str) -> None:
    if here != there and (there != "UTF8" or here == "SQL_ASCII"):
        what = f"the database holds {there}, the source {here}"
        raise DatabaseError(where, what, "make the source anew with encoding UTF8")


def _check_versions(where: str, source: Source, target: Target) -> None:
    here, there = source.version // 10000, target.version // 10000
    if min(source.version, target.version) < OLDEST:
        what = f"PostgreSQL {min(here, there)} is too old"
        raise DatabaseError(where, what, f"use {OLDEST // 10000} or later on both sides")
    if there < here:
        what = f"runs PostgreSQL {there}, the source {here}"
        raise DatabaseError(where, what, "take the same image on both sides, or a newer one there")
