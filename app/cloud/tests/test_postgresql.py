from types import SimpleNamespace
from unittest.mock import patch

from django.db import OperationalError
from django.test import SimpleTestCase
from psycopg import errors
from psycopg.pq import TransactionStatus

from cloud.postgresql import base


class Connection:
    """Answer as a wrapper whose connection was ended."""

    def __init__(self, status: TransactionStatus) -> None:
        self.connection = SimpleNamespace(info=SimpleNamespace(transaction_status=status))
        self.renewed = 0
        self.autocommit = True

    def renew(self) -> None:
        self.renewed += 1

    def create_cursor(self) -> str:
        return "new"


def ended() -> OperationalError:
    error = OperationalError("terminating")
    error.__cause__ = errors.AdminShutdown()
    return error


def closed() -> OperationalError:
    return OperationalError("consuming input failed: server closed the connection unexpectedly")


class AgainTests(SimpleTestCase):
    def ask(
        self, status: TransactionStatus, *errors: Exception, many: bool = False,
        sql: str = "SELECT f()", autocommit: bool = True,
    ) -> str:  # fmt: skip
        self.wrapper = Connection(status)
        self.wrapper.autocommit = autocommit
        cursor, failures = SimpleNamespace(cursor="old"), list(errors)

        def execute(*_args: object) -> str:
            if failures:
                raise failures.pop()
            return cursor.cursor

        context = {"connection": self.wrapper, "cursor": cursor}
        return base.again(execute, sql, None, many, context)

    def test_a_statement_outside_of_a_transaction_is_repeated(self) -> None:
        self.assertEqual(self.ask(TransactionStatus.IDLE, ended()), "new")
        self.assertEqual(self.wrapper.renewed, 1)

    def test_a_connection_that_is_ended_again_is_taken_anew_again(self) -> None:
        self.assertEqual(self.ask(TransactionStatus.IDLE, *(ended() for _ in range(3))), "new")
        self.assertEqual(self.wrapper.renewed, 3)

    def test_what_is_ended_again_and_again_is_given_up(self) -> None:
        with patch.object(base, "CONNECT_SECONDS", 0.1), self.assertRaises(OperationalError):
            base.persist(self.end, harmless=True)

    def end(self) -> None:
        raise errors.AdminShutdown

    def test_a_connection_may_be_ended_before_anything_is_asked_over_it(self) -> None:
        failures = [errors.AdminShutdown(), ended()]

        def connect() -> str:
            if failures:
                raise failures.pop()
            return "connected"

        self.assertEqual(base.persist(connect, harmless=True), "connected")

    def test_a_statement_within_a_transaction_is_not(self) -> None:
        with self.assertRaises(OperationalError):
            self.ask(TransactionStatus.INTRANS, ended())
        self.assertEqual(self.wrapper.renewed, 0)

    def test_many_statements_are_not(self) -> None:
        with self.assertRaises(OperationalError):
            self.ask(TransactionStatus.IDLE, ended(), many=True)

    def test_what_may_have_happened_is_not_repeated(self) -> None:
        for sql in ("SELECT f()", "INSERT INTO a VALUES (1)", 'UPDATE "a" SET b = 1'):
            with self.assertRaises(OperationalError):
                self.ask(TransactionStatus.IDLE, closed(), sql=sql)

    def test_what_only_reads_is_repeated_whatever_happened(self) -> None:
        for sql in ('SELECT "a"."id" FROM "a"', 'SELECT COUNT(*) AS "__count" FROM "a"'):
            self.assertEqual(self.ask(TransactionStatus.IDLE, closed(), ended(), sql=sql), "new")

    def test_what_begins_a_transaction_is_repeated_since_nothing_of_it_stays(self) -> None:
        insert = "INSERT INTO a VALUES (1)"
        said = self.ask(TransactionStatus.IDLE, closed(), sql=insert, autocommit=False)
        self.assertEqual(said, "new")
        with self.assertRaises(OperationalError):
            self.ask(TransactionStatus.INTRANS, closed(), sql=insert, autocommit=False)

    def test_only_a_refusal_that_passes_is_waited_for(self) -> None:
        self.assertTrue(base.passes('FATAL:  database "site" does not exist'))
        self.assertFalse(base.passes('FATAL:  password authentication failed for user "site"'))
        self.assertFalse(base.passes('FATAL:  role "site" does not exist'))


class RememberedTests(SimpleTestCase):
    def test_what_is_remembered_of_another_database_is_forgotten(self) -> None:
        from django.contrib.contenttypes.models import ContentType

        found = ContentType(id=7, app_label="auth", model="group")
        ContentType.objects._add_to_cache("default", found)
        self.assertEqual(ContentType.objects.get_for_id(7), found)
        base.forget()
        self.assertEqual(ContentType.objects._cache, {})
