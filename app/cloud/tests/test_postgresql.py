from types import SimpleNamespace
from unittest.mock import patch

from django.db import OperationalError, connections
from django.test import SimpleTestCase
from psycopg import errors, sql
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
        sql: object = "SELECT f()", autocommit: bool = True,
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
        with patch.object(base, "CONNECT_SECONDS", 0.1), self.assertRaises(errors.AdminShutdown):
            base.persist(self.end, harmless=True)

    def end(self) -> None:
        raise errors.AdminShutdown

    def test_a_connection_may_be_ended_before_anything_is_asked_over_it(self) -> None:
        wrapper = self.real()
        wrapper.connect()
        self.assertEqual(wrapper.begun, 3)

    def test_whoever_is_in_a_transaction_stays_in_one_however_often_it_is_ended(self) -> None:
        wrapper = self.real()
        wrapper.autocommit = False
        wrapper.renew()
        self.assertEqual(wrapper.begun, 3)
        self.assertEqual((wrapper.autocommit, wrapper.modes[-1]), (False, False))

    def test_whoever_cannot_go_on_is_in_a_transaction_all_the_same(self) -> None:
        wrapper = self.real(failures=1000)
        wrapper.autocommit = False
        with patch.object(base, "CONNECT_SECONDS", 0.05), self.assertRaises(errors.AdminShutdown):
            wrapper.renew()
        self.assertIs(wrapper.autocommit, False)

    def real(self, failures: int = 2) -> base.DatabaseWrapper:
        """Return the wrapper itself, over connections that are ended at their first question."""
        wrapper = base.DatabaseWrapper({**connections.settings["default"], "ENGINE": "cloud"})
        wrapper.begun, wrapper.modes = 0, []

        def begin() -> None:
            wrapper.begun += 1
            if wrapper.begun <= failures:
                raise errors.AdminShutdown

        wrapper.init_connection_state = begin
        wrapper.connection = SimpleNamespace(close=lambda: None)
        wrapper.get_new_connection = lambda _: SimpleNamespace(close=lambda: None)
        wrapper.get_connection_params = dict
        wrapper.check_settings = lambda: None
        wrapper._set_autocommit = wrapper.modes.append
        return wrapper

    def test_whatever_psycopg_takes_for_a_statement_is_run(self) -> None:
        for statement in (b"select 1", sql.SQL("select {}").format(sql.Literal(1))):
            self.assertEqual(self.ask(TransactionStatus.IDLE, sql=statement), "old")

    def test_a_statement_within_a_transaction_is_not(self) -> None:
        with self.assertRaises(OperationalError):
            self.ask(TransactionStatus.INTRANS, ended())
        self.assertEqual(self.wrapper.renewed, 0)

    def test_many_statements_are_not(self) -> None:
        with self.assertRaises(OperationalError):
            self.ask(TransactionStatus.IDLE, ended(), many=True)

    def test_what_may_have_happened_is_not_repeated(self) -> None:
        statements = (
            "SELECT f()",
            'SELECT "audit"."log"(%s)',
            'SELECT "a"."id", nextval(%s) AS "n" FROM "a"',
            'SELECT nextval(%s) AS "a" FROM "a"',
            "INSERT INTO a VALUES (1)",
            'UPDATE "a" SET b = 1',
        )
        for statement in statements:
            with self.assertRaises(OperationalError):
                self.ask(TransactionStatus.IDLE, closed(), sql=statement)

    def test_what_only_reads_is_repeated_whatever_happened(self) -> None:
        statements = (
            'SELECT "a"."id", "a"."name" AS "n" FROM "a" WHERE f("a"."id")',
            'SELECT DISTINCT "a"."id" FROM "a"',
            'SELECT COUNT(*) AS "__count" FROM "a"',
            'SELECT 1 AS "a" FROM "a" LIMIT 1',
        )
        for statement in statements:
            said = self.ask(TransactionStatus.IDLE, closed(), ended(), sql=statement)
            self.assertEqual(said, "new")

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
