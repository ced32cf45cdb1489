"""Make, fill and remove the database that arrives beside the live one."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from slipway.command import Shell
from slipway.errors import DatabaseError, SlipwayError
from slipway.postgres import compare, parts, reuse, statements, tables
from slipway.postgres.compare import Content
from slipway.postgres.copying import Copy, covered
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts
from slipway.postgres.programs import Rows
from slipway.postgres.server import Client
from slipway.postgres.session import Session, StatementError
from slipway.postgres.tables import Table

FORBIDDEN, SNAPSHOT = "42501", "snapshot"
# What a copy meets where the live database, parts of which it reuses, was changed meanwhile.
CHANGED = re.compile("does not exist|violates foreign key")


class CopyDiffers(DatabaseError):
    """Say in what a copy is not what was to be copied."""


@contextmanager
def removed_on_failure(
    shell: Shell, ends: Ends, session: str, report: Callable[[str], object]
) -> Iterator[None]:
    """Drop the arriving database where the context ends with an error, Ctrl-C included.

    Not where another push took over meanwhile, since the `session` that kept it off was lost.
    """
    try:
        yield
    except BaseException:
        try:
            [[ours]] = Client(shell, ends.target).query(statements.drop_ours(ends.names, session))
            if ours != "t":
                report("another push runs by now: what arrives there is let alone")
        except SlipwayError as error:
            report(f"{ends.names.incoming} stays until the next push: {error.line()}")
        raise


@contextmanager
def created(
    shell: Shell,
    admin: Session,
    ends: Ends,
    found: Facts,
    template: str = "",
) -> Iterator[Callable[[], None]]:
    """Create the arriving database in the live one's form, and the extensions in it.

    It is empty, or a copy of the `template`. What is yielded waits until it is there: `admin` is
    busy with it until then.
    """
    names, live, waited = ends.names, found.target.live, False
    assert live
    if template:
        admin.post(statements.create_from(template, names.incoming, ends.owner, live))
    else:
        admin.post(statements.create(names.incoming, ends.owner, live))

    def wait() -> None:
        nonlocal waited
        try:
            admin.receive()
        except SlipwayError:
            waited = True
            raise
        waited = True
        if found.untrusted and not template:
            _extend(shell, ends, found)

    try:
        yield wait
    finally:
        if not waited:
            # Whoever removes it must find it.
            with suppress(SlipwayError):
                admin.receive()


@dataclass(frozen=True, slots=True)
class Given:
    """Hold the statements that give the arriving database what the live one has."""

    settings: Sequence[str]
    grants: Sequence[str]

    def give(
        self, admin: Session, second: Session, ends: Ends, warn: Callable[[str], object]
    ) -> None:
        """Run them, last of all, since they concern whoever connects; raises DatabaseError.

        A warning tells of settings that another administrator alone may give, and of grants on
        what is not there any more. Both sessions are connected to another database before and
        afterwards.
        """
        if self.grants:
            # Before the settings, which would be those of this session as well.
            second.connect(ends.names.incoming)
            second.post(*self.grants)
            second.connect()
            second.post("")
        lost = [statement for statement, _ in _refused(second, self.grants)]
        if self.grants:
            second.receive()
        admin.post(*self.settings)
        errors: list[StatementError] = []
        for statement, error in _refused(admin, self.settings):
            if error.state == FORBIDDEN and ends.target.address:
                later = statement.replace(ends.names.incoming, ends.names.live)
                warn(f"{error.what}; after the switch its administrator may run {later}")
            else:
                errors.append(error)
        if errors:
            raise errors[0]
        if lost:
            more = f" (and {len(lost) - 1} more)" if lost[1:] else ""
            warn(f"what the live database grants cannot be granted in the copy: {lost[0]}{more}")


def _refused(session: Session, posted: Sequence[str]) -> list[tuple[str, StatementError]]:
    """Wait for the answers to statements, and return those that were refused."""
    refused: list[tuple[str, StatementError]] = []
    for statement in posted:
        try:
            session.receive()
        except StatementError as error:
            refused.append((statement, error))
    return refused


def _extend(shell: Shell, ends: Ends, found: Facts) -> None:
    with Session(shell, ends.target, ends.names.incoming) as incoming:
        for extension, schema in found.untrusted.items():
            if not schema.startswith("pg_"):
                incoming.query(statements.schema(schema, ends.owner))
            incoming.query(statements.extension(extension, schema))
        for (statement,) in incoming.query(statements.settings_of_extensions(ends.owner)):
            incoming.query(statement)


@dataclass(frozen=True, slots=True)
class Filled:
    """Hold what was in the source's snapshot, its sequences afterwards, and how it came over.

    `sent` are the bytes on the way; `reused` rows were in the live database already.
    """

    content: Content
    later: compare.Sequences
    sent: int
    reused: int


def fill(
    shell: Shell,
    ends: Ends,
    found: Facts,
    source: Session,
    ready: Callable[[], object],
    progress: Callable[[int], object],
    excluded: Collection[str] = (),
    there: Sequence[Table] = (),
) -> Filled:
    """Copy one snapshot of the source; of the `excluded` tables only the definition.

    Of tables that are `there`, in the live database, what is the same is not sent. `ready` waits
    until there is something to be filled.
    """
    first, second, third = source.ask(reuse.SNAPSHOT, statements.SEQUENCES, tables.TABLES)
    snapshot, before, listed = first[0][0], compare.sequences(second), tables.read(third)
    wanted = [table for table in listed if table.name not in excluded]
    reusable = there if covered(found, ends) else []
    with reuse.opened(shell, ends, wanted, reusable, same_encoding=same(found)) as known:
        # The counting goes on while rows are compared and copied.
        others = [table for table in wanted if table not in known.candidates]
        count = source.post(*content(others, found))
        try:
            known.compare(snapshot)
            copy = Copy(shell, ends, found, snapshot, excluded, known, ready, progress)
            sent = copy.run(listed) + known.received
        except DatabaseError as error:
            # Where the counting failed, its snapshot is gone: that is the reason, then. And who
            # begins anew asks the same session.
            if SNAPSHOT in error.what or CHANGED.search(error.what):
                source.collect(count)
            raise
    objects = compare.inventory(joined(source.collect(count))) | parts.fingerprints(known.shared)
    objects |= {("table", name): "0:0" for name in excluded}
    after = compare.sequences(source.ask(statements.SEQUENCES, "COMMIT;")[0])
    reused = sum(one.reused for one in known.shared.values())
    return Filled(Content(objects, before), after, sent, reused)


def verify(asking: Session, helping: Session, ends: Ends, found: Facts, copied: Filled) -> None:
    """Count and fingerprint all that arrived, gather statistics; raises DatabaseError.

    Both sessions are connected to another database before and afterwards.
    """
    both = (asking, helping)
    for session in both:
        session.connect(ends.names.incoming)
    first = asking.ask(statements.ANALYZED, statements.SEQUENCES, tables.TABLES)
    analyzed = [name for (name,) in first[0]]
    helping.post(statements.analyze(analyzed[::2]))
    said = joined(asking.ask(*content(tables.read(first[2]), found)))
    arrived = Content(compare.inventory(said), compare.sequences(first[1]))
    asking.post(statements.analyze(analyzed[1::2]))
    for session in both:
        session.connect()
        session.post("")
    for session in both:
        session.collect(2)
    differences = compare.differences(copied.content, copied.later, arrived)
    if differences:
        more = f" (and {len(differences) - 1} more)" if differences[1:] else ""
        what = f"the copy differs: {differences[0]}{more}"
        raise CopyDiffers(ends.target.where, what, "the live database was not touched")


def count(shell: Shell, ends: Ends, found: Facts) -> Content:
    """Count everything in the arriving database, and gather statistics."""
    with Session(shell, ends.target, ends.names.incoming) as session:
        listed = tables.read(session.query(tables.TABLES))
        objects = compare.inventory(joined(session.ask(*content(listed, found))))
        session.query("ANALYZE;")
    return Content(objects, {})


def content(listed: Sequence[Table], found: Facts) -> list[str]:
    """Write the queries for what a database contains."""
    deep = found.source.superuser and found.target.superuser
    asked = [tables.PLAIN, *tables.fingerprints(listed, same_encoding=same(found))]
    return [*asked, statements.INVENTORY, *([statements.LARGE_OBJECTS] if deep else [])]


def joined(answers: Iterable[Rows]) -> Rows:
    """Return the rows of several answers as one."""
    return [row for rows in answers for row in rows]


def same(found: Facts) -> bool:
    """Return whether both sides store texts in the same encoding."""
    assert found.target.live
    return bool(found.source.encoding == found.target.live["name"])
