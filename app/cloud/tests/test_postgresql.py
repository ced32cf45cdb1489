from types import SimpleNamespace
from unittest.mock import patch

from django.db import OperationalError, connections
from django.db.backends.signals import connection_created
from django.test import SimpleTestCase
from psycopg import errors, sql
from psycopg.pq import TransactionStatus

from cloud.postgresql import base


class Connection:
    """Answer as a wrapper whose connection was ended."""

    def __init__(self, status: TransactionStatus) -> None:
        self.connection = SimpleNamespace(info=SimpleNamespace(transaction_status=status))
        self.renewed = 0
        self.autocommit = self.repeats = True
        self.keeps = False

    def renew(self) -> None:
        self.renewed += 1

    def create_cursor(self, name: str | None = None) -> str:
        return name or "new"


def ended() -> OperationalError:
    error = OperationalError("terminating")
    error.__cause__ = errors.AdminShutdown()
    return error


def closed() -> OperationalError:
    return OperationalError("consuming input failed: server closed the connection unexpectedly")


class AgainTests(SimpleTestCase):
    def ask(
        self, status: TransactionStatus, *errors: Exception, many: bool = False,
        sql: object = "SELECT f()", autocommit: bool = True, cursor: object = "old",
    ) -> object:  # fmt: skip
        self.wrapper = Connection(status)
        self.wrapper.autocommit = autocommit
        cursor, failures = SimpleNamespace(cursor=cursor), list(errors)

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
        with patch.object(base, "CONNECT_SECONDS", 0.05), self.assertRaises(OperationalError):
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

    def test_what_may_commit_in_between_is_not(self) -> None:
        for statement in ("CALL p()", "DO $$ BEGIN END $$", "CREATE INDEX CONCURRENTLY i ON a (b)"):
            with self.assertRaises(OperationalError):
                self.ask(TransactionStatus.IDLE, ended(), sql=statement)
        for statement in ("/* a */ /* b */ select 1", "(SELECT 1)", sql.SQL("DELETE FROM a")):
            self.assertEqual(self.ask(TransactionStatus.IDLE, ended(), sql=statement), "new")

    def test_what_was_ended_on_purpose_is_not(self) -> None:
        with patch.object(base, "LONGEST_SECONDS", -1.0), self.assertRaises(OperationalError):
            self.ask(TransactionStatus.IDLE, ended())

    def test_a_cursor_of_the_server_stays_one(self) -> None:
        cursor = SimpleNamespace(name="rows")
        self.assertEqual(self.ask(TransactionStatus.IDLE, ended(), cursor=cursor), "rows")

    def test_what_a_session_holds_is_noticed(self) -> None:
        holding = (
            "SET search_path = a",
            " set role b",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_lock_shared(1)",
            "SELECT set_config('a.b', %s, false)",
            "CREATE TEMPORARY TABLE t ()",
            "LISTEN a",
            "/* why */ -- and\n SET ROLE b",
            "SELECT 1; set role b",
            "SELECT a INTO TEMP b FROM c",
        )
        free = (
            "SET LOCAL search_path = a",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT set_config('a.b', %s, true)",
            'UPDATE "a" SET "b" = 1',
            "CREATE TABLE temperatures ()",
        )
        for statement in holding + free:
            self.ask(TransactionStatus.IDLE, sql=statement)
            self.assertIs(self.wrapper.keeps, statement in holding, statement)
        # Also where it is repeated.
        self.ask(TransactionStatus.IDLE, ended(), sql="SELECT pg_advisory_lock(1)")
        self.assertEqual((self.wrapper.renewed, self.wrapper.keeps), (1, True))

    def test_a_banner_of_comments_is_read_at_once(self) -> None:
        self.assertIsNone(base.WHOLE.match("/* a */\n" * 2000 + "CALL p()"))
        self.assertFalse(base.keeping("/* a */\n-- b\n" * 2000 + "CALL p()"))

    def test_whoever_holds_something_is_not_given_another_session(self) -> None:
        wrapper = self.real(failures=0)
        self.assertTrue(wrapper.repeats)
        wrapper.keeps = True
        self.assertFalse(wrapper.repeats)
        wrapper.connect()
        self.assertTrue(wrapper.repeats)
        wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": {"pool": {"max_size": 3}}}
        self.assertFalse(wrapper.repeats)

    def test_whoever_waits_for_new_connections_hears_of_them_once_they_are_ready(self) -> None:
        told: list[bool] = []

        def hear(connection: base.DatabaseWrapper, **_: object) -> None:
            connection.keeps = True
            told.append(connection.repeats)

        connection_created.connect(hear, sender=base.DatabaseWrapper)
        self.addCleanup(connection_created.disconnect, hear, sender=base.DatabaseWrapper)
        wrapper = self.real()
        wrapper.renew()
        # What is set for each new connection any other one has as well.
        self.assertEqual((told, wrapper.repeats), ([False], True))

    def test_who_cannot_connect_gets_an_error_of_django(self) -> None:
        wrapper = self.real()

        def refuse(_: object) -> None:
            raise errors.ConnectionFailure("refused")

        wrapper.get_new_connection = refuse
        with self.assertRaises(OperationalError):
            wrapper.renew()

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
