"""Prepare database and more for a new release: one task of the new image, before it serves."""

import json
import shlex
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from cloud import migrations_plan

# Any number that all releases share; "slipway" in the digits of a telephone.
ADVISORY = 7547929
LOCK_NOT_AVAILABLE = "55P03"
PAUSE = 1.0


class Command(BaseCommand):
    """Check, then migrate under a lock, then run further commands."""

    help = "check --deploy, migrate once and without blocking others, then further commands"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", action="store_true", help="only say what is pending")
        parser.add_argument("--unknown", action="store_true", help="say what this code knows not")
        parser.add_argument("--safe-only", action="store_true", help="refuse unsafe migrations")
        parser.add_argument("--lock-timeout", type=float, default=2, help="seconds a lock may take")
        parser.add_argument("--patience", type=float, default=60, help="seconds to try again for")
        parser.add_argument("--run", action="append", default=[], help="a command of manage.py")

    def handle(self, *_: object, **options: Any) -> None:
        connection = connections["default"]
        try:
            connection.ensure_connection()
        except OperationalError as error:
            reason = " ".join(str(error).split())
            raise CommandError(
                f"the database of DATABASE_URL cannot be reached: {reason}"
            ) from None
        if options["unknown"]:
            self._say("unknown", migrations_plan.unknown(connection))
            return
        plan = migrations_plan.pending(connection)
        self._say("pending", plan)
        if options["plan"]:
            return
        call_command("check", deploy=True, stdout=self.stdout, stderr=self.stderr)
        unsafe = [str(one["name"]) for one in plan if one["unsafe"]]
        if unsafe and options["safe_only"]:
            raise CommandError(f"the running code cannot live with {', '.join(unsafe)}")
        self._migrate(connection, options["lock_timeout"], options["patience"])
        for line in options["run"]:
            self.stdout.write(f"manage.py {line}")
            call_command(*shlex.split(line), stdout=self.stdout, stderr=self.stderr)

    def _say(self, what: str, found: object) -> None:
        self.stdout.write(f"release: {json.dumps({what: found})}")

    def _migrate(self, connection: BaseDatabaseWrapper, lock: float, patience: float) -> None:
        if connection.vendor != "postgresql":
            call_command("migrate", interactive=False, stdout=self.stdout)
            return
        deadline = time.monotonic() + patience
        with _alone(connection, deadline), _impatient(connection, lock):
            while not self._migrated(deadline, lock):
                time.sleep(PAUSE)

    def _migrated(self, deadline: float, lock: float) -> bool:
        try:
            call_command("migrate", interactive=False, stdout=self.stdout)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
            if name := migrations_plan.half_done(connections["default"]):
                raise CommandError(
                    f"{name} got no lock within {lock:g} s; it is not atomic and may be half "
                    "done: look at it, and make the next deploy then"
                ) from None
            if time.monotonic() > deadline:
                raise CommandError(
                    f"a migration got no lock within {lock:g} s, again and again: "
                    "a long transaction holds it; see pg_stat_activity"
                ) from None
            self.stdout.write(f"\na lock was not free within {lock:g} s; trying again")
            return False
        return True


@contextmanager
def _alone(connection: BaseDatabaseWrapper, deadline: float) -> Iterator[None]:
    """Hold the advisory lock, in a session of its own that no migration can close."""
    keeper = connection.copy()
    try:
        with keeper.cursor() as cursor:
            while not _taken(cursor):
                if time.monotonic() > deadline:
                    raise CommandError("another release migrates this database; wait for it")
                time.sleep(PAUSE)
            yield
    finally:
        keeper.close()


def _taken(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY])
    return bool(cursor.fetchone()[0])


@contextmanager
def _impatient(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Let no statement wait longer for a lock: whoever waits behind it waits as long.

    What is done concurrently waits by design, with nobody behind it; cut off it would leave an
    invalid index, which is in the way of the next attempt.
    """

    def limit(connection: BaseDatabaseWrapper, **_: object) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{seconds}s"])

    def patient(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        if "CONCURRENTLY" not in str(sql).upper():
            return execute(sql, *rest)
        with connection.connection.cursor() as plain:
            plain.execute("SET lock_timeout = 0")
            try:
                return execute(sql, *rest)
            finally:
                plain.execute(f"SET lock_timeout = '{seconds}s'")

    connection_created.connect(limit)
    connection.close()
    try:
        with connection.execute_wrapper(patient):
            yield
    finally:
        connection_created.disconnect(limit)
        connection.close()
