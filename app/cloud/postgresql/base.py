"""Go on after the server has ended a connection: connect anew, and ask again where that is safe.

A switch of databases ends connections, and for a moment a new one may be refused. A statement is
repeated only where nothing of it can have happened: the server says that it ended the connection,
and no transaction was under way before the statement. The network loses those words where they
meet a statement on its way (one time in seventy): then a statement is repeated that begins a
transaction, or only reads. What Django remembers of the database before is forgotten.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress

from django.apps import apps
from django.db import OperationalError
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

ADMIN_SHUTDOWN = "57P01"
ENDED = "terminating connection due to administrator command"
CLOSED = "closed the connection unexpectedly"
# What a server says to whoever connects while databases change their names.
PASSING = (ENDED, "is not currently accepting connections", CLOSED)
# Columns alone, as Django writes them: SELECT may call a function that writes.
COLUMN = r'("[^"]+"\."[^"]+"( AS "[^"]+")?|COUNT\(\*\) AS "[^"]+"|1 AS "a")'
READS = re.compile(f'SELECT (DISTINCT )?{COLUMN}(, {COLUMN})* FROM "')  # noqa: S608 - none is sent
RENAMED = "database "
CONNECT_SECONDS = 2.0
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
        persist(super().connect, harmless=True)

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
        with suppress(base.Database.Error):
            self.connection.close()
        self.connection = self.get_new_connection(self.get_connection_params())
        self._set_autocommit(True)
        self.autocommit = True
        self.init_connection_state()
        self._set_autocommit(autocommit)
        self.errors_occurred = False


def forget() -> None:
    """Let the next query for a content type or a site ask the database."""
    for label, model in REMEMBERED:
        if apps.is_installed(f"django.contrib.{label}"):
            apps.get_model(label, model).objects.clear_cache()


def again(execute: Callable, sql: str, params: object, many: bool, context: dict):
    """Run a statement, and again where the server had ended the connection before it."""
    wrapper = context["connection"]
    untouched = wrapper.connection.info.transaction_status == TransactionStatus.IDLE
    reads = isinstance(sql, str) and READS.match(sql)
    harmless = not wrapper.autocommit or bool(reads)
    try:
        return execute(sql, params, many, context)
    except OperationalError as error:
        if not untouched or many or not was_ended(error, harmless=harmless):
            raise

    def once_more() -> object:
        wrapper.renew()
        context["cursor"].cursor = wrapper.create_cursor()
        return execute(sql, params, many, context)

    return persist(once_more, harmless=harmless)


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
