"""Go on after the server has ended a connection: connect anew, and ask again where that is safe.

A switch of databases ends connections, and for a moment a new one may be refused. A statement is
repeated only where nothing of it can have happened: the server says that it ended the connection,
and no transaction was under way before the statement. The network loses those words where they
meet a statement on its way (one time in seventy): then a statement is repeated that begins a
transaction, or only reads. What Django remembers of the database before is forgotten.

Never repeated is what may have committed in between (CALL, CREATE INDEX CONCURRENTLY), what a
session asks that holds something which another one would lack (SET, a lock), and what ran longer
than a switch lets it: that was ended on purpose.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.apps import apps
from django.db import Error, OperationalError
from django.db.backends.postgresql import base
from django.db.backends.signals import connection_created
from psycopg.pq import TransactionStatus
from psycopg.sql import Composable

ADMIN_SHUTDOWN = "57P01"
ENDED = "terminating connection due to administrator command"
CLOSED = "closed the connection unexpectedly"
# What a server says to whoever connects while databases change their names.
PASSING = (ENDED, "is not currently accepting connections", CLOSED)
# Columns alone, as Django writes them: SELECT may call a function that writes.
COLUMN = r'("[^"]+"\."[^"]+"( AS "[^"]+")?|COUNT\(\*\) AS "[^"]+"|1 AS "a")'
READS = re.compile(f'SELECT (DISTINCT )?{COLUMN}(, {COLUMN})* FROM "')  # noqa: S608 - none is sent
# What happens as a whole or not at all, even where each statement is a transaction of its own.
COMMENTS = r"\s*(/\*([^*]|\*(?!/))*\*/\s*|--[^\n]*\n\s*)*"
WHOLE = re.compile(COMMENTS + r"\(*\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\b", re.I)
# What lasts as long as the session, and what nothing but its words can tell.
KEEPING = re.compile(
    r"(\A|;)" + COMMENTS + r"(SET\s+(?!LOCAL\b|CONSTRAINTS\b|TRANSACTION\b)|LISTEN\b|LOAD\b"
    r"|PREPARE\b|DECLARE\b|CREATE\s+((LOCAL|GLOBAL)\s+)?TEMP)|\bINTO\s+((LOCAL|GLOBAL)\s+)?TEMP",
    re.I,
)
LOCK, SETTING = "advisory_lock", re.compile(r"set_config\((?![^()]*,\s*true\s*\))")
RENAMED = "database "
CONNECT_SECONDS = 2.0
# A switch ends whoever is in a transaction after some 6 s, and is given up after 16.
LONGEST_SECONDS = 15.0
PAUSE_SECONDS = 0.02
NUMBER = "SELECT oid FROM pg_database WHERE datname = current_database()"
# What Django remembers of a database for as long as a process lives.
REMEMBERED = (("contenttypes", "ContentType"), ("sites", "Site"))
# The number of the database that each connection of the settings led to last.
numbers: dict[str, int] = {}


class DatabaseWrapper(base.DatabaseWrapper):
    """Be Django's own wrapper, but for connections that were ended."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(again)
        # Whether a connection is being made, and whether the session holds what another lacks.
        self.beginning = self.keeps = False

    @property
    def repeats(self) -> bool:
        """Return whether another session would do as well; a pool's is not ours to replace."""
        pooled = self.settings_dict["OPTIONS"].get("pool")
        return not (self.beginning or self.keeps or pooled)

    def get_new_connection(self, conn_params: dict):
        """Connect; try again for a moment where the database has just changed its name."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except base.Database.OperationalError as error:
                if not passes(str(error)) or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    def connect(self) -> None:
        """Connect; once more where the connection was ended before anything was asked over it."""
        persist(self._connect, harmless=True)

    def _connect(self) -> None:
        with self._begins():
            if self.connection is not None:
                # That of the attempt before.
                with suppress(base.Database.Error, Error):
                    self._close()
            super().connect()

    @contextmanager
    def _begins(self) -> Iterator[None]:
        """Repeat nothing of what is asked over a connection before it is ready."""
        self.beginning = True
        try:
            yield
        finally:
            self.beginning = False
        self.keeps = False

    def init_connection_state(self) -> None:
        """Forget what was remembered of another database that had this name before."""
        super().init_connection_state()
        with self.connection.cursor() as cursor:
            [number] = cursor.execute(NUMBER).fetchone()
        if numbers.setdefault(self.alias, number) != number:
            numbers[self.alias] = number
            forget()

    def renew(self) -> None:
        """Take another connection in the place of one that was ended, in the same mode."""
        autocommit = self.autocommit
        try:
            persist(lambda: self._renew(autocommit), harmless=True)
        finally:
            self.autocommit = autocommit

    def _renew(self, autocommit: bool) -> None:
        with self._begins(), self.wrap_database_errors:
            with suppress(base.Database.Error):
                self.connection.close()
            self.connection = self.get_new_connection(self.get_connection_params())
            self._set_autocommit(True)
            self.autocommit = True
            self.init_connection_state()
            # Settings, and types such as hstore's, come by this signal.
            connection_created.send(sender=self.__class__, connection=self)
            self._set_autocommit(autocommit)
            self.errors_occurred = False


def forget() -> None:
    """Let the next query for a content type or a site ask the database."""
    for label, model in REMEMBERED:
        if apps.is_installed(f"django.contrib.{label}"):
            apps.get_model(label, model).objects.clear_cache()
    if apps.is_installed("django.contrib.postgres"):
        from django.contrib.postgres import signals

        # The numbers of types, which are others in another database.
        signals.get_hstore_oids.cache_clear()
        signals.get_citext_oids.cache_clear()


def again(execute: Callable, sql: str, params: object, many: bool, context: dict):
    """Run a statement, and again where the server had ended the connection before it."""
    wrapper, text = context["connection"], words(sql)
    idle = wrapper.connection.info.transaction_status == TransactionStatus.IDLE
    whole = not wrapper.autocommit or WHOLE.match(text)
    untouched = idle and whole and wrapper.repeats and not many
    harmless = not wrapper.autocommit or bool(READS.match(text))
    begin = time.monotonic()
    try:
        result = execute(sql, params, many, context)
    except OperationalError as error:
        long = time.monotonic() - begin > LONGEST_SECONDS
        if long or not untouched or not was_ended(error, harmless=harmless):
            raise
    else:
        wrapper.keeps = wrapper.keeps or keeping(text)
        return result

    def once_more() -> object:
        wrapper.renew()
        name = getattr(context["cursor"].cursor, "name", None)
        context["cursor"].cursor = wrapper.create_cursor(name)
        result = execute(sql, params, many, context)
        wrapper.keeps = wrapper.keeps or keeping(text)
        return result

    return persist(once_more, harmless=harmless)


def words(sql: object) -> str:
    """Return a statement as text, whatever it is written as."""
    if isinstance(sql, Composable):
        return sql.as_string(None)
    return sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)


def keeping(text: str) -> bool:
    """Return whether a session holds something afterwards that another one would lack."""
    return bool(KEEPING.search(text) or LOCK in text or SETTING.search(text))


def persist(work: Callable, *, harmless: bool) -> object:
    """Do what can be done again where a connection is ended, for a moment: the next may be, too."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return work()
        except (OperationalError, base.Database.OperationalError) as error:
            if not was_ended(error, harmless=harmless) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def was_ended(error: Exception, *, harmless: bool) -> bool:
    """Return whether the server said that it ended the connection.

    For what is `harmless`, should it happen twice, it need not say so.
    """
    states = {getattr(one, "sqlstate", None) for one in (error, error.__cause__)}
    return ADMIN_SHUTDOWN in states or ENDED in str(error) or (harmless and CLOSED in str(error))


def passes(said: str) -> bool:
    """Return whether a refusal to connect is one that passes by itself."""
    renamed = RENAMED in said and "does not exist" in said
    return renamed or any(words in said for words in PASSING)
