"""Push between servers whose settings, or whose rights, stand in the way of a plain restore."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from slipway.console import Console
from slipway.database import push_db
from slipway.errors import DatabaseError
from slipway.postgres import grants, parts, statements, tables
from slipway.postgres.copying import Copy
from slipway.postgres.session import Session
from slipway.postgres.tables import Table
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, docker, shell
from tests.conformance.database.test_push_db_sources import dumped
from tests.unit.factory import environment

DECLARED = """<?xml version="1.0" encoding="UTF-8"?>\n<page/>"""
XML = f"""
CREATE TABLE pages (id int PRIMARY KEY, page xml);
INSERT INTO pages SELECT n, '{DECLARED}' FROM generate_series(1, 9000) n;
INSERT INTO pages VALUES (0, '<?xml version="1.0" standalone="yes"?><b/>'), (-1, NULL);
"""
TIMES = ("idle_session_timeout", "transaction_timeout")


def push(pair: Pair, dump: str = "") -> dict[str, object]:
    return push_db(environment(), Console(), dump=dump, ends=pair.ends)


@pytest.mark.parametrize("large", [1, 1 << 40])
def test_documents_arrive_and_are_compared_as_they_travel(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(tables, "LARGE", large)
    monkeypatch.setattr(tables, "FEW", 0)
    monkeypatch.setattr(parts, "SMALLEST", 8192)
    pair.fresh(content.SMALL + XML)
    push(pair)
    assert push(pair)["rows_reused"] == 9003  # that of the marker is one
    assert pair.live("SELECT count(*) FROM pages WHERE page IS NOT NULL;") == [["9001"]]


def test_a_live_database_that_is_read_only_is_replaced_and_stays_so(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    pair.target.query(f"ALTER DATABASE {SITE} SET default_transaction_read_only = on;")
    push(pair)
    assert pair.marker() == "new"
    ask = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
    kept = pair.target.query(f"{ask} WHERE datname = '{SITE}';")
    assert kept == [["{default_transaction_read_only=on}"]]


@pytest.fixture
def hasty(pair: Pair) -> Iterator[Pair]:
    """Give servers that end whoever rests, or takes his time, for a second."""
    clients = (pair.source, pair.target)
    for client in clients:
        for name in TIMES:
            client.query(f"ALTER SYSTEM SET {name} = '1s';")
        client.query("SELECT pg_reload_conf();")
    yield pair
    for client in clients:
        for name in TIMES:
            client.query(f"ALTER SYSTEM RESET {name};")
        client.query("SELECT pg_reload_conf();")


def test_a_copy_may_take_longer_than_servers_wait(
    hasty: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Copy.run

    def slow(self: Copy, listed: Sequence[Table]) -> int:
        sent = run(self, listed)
        time.sleep(2)
        return sent

    monkeypatch.setattr(Copy, "run", slow)
    monkeypatch.setattr(tables, "LARGE", 1)
    hasty.fresh(content.SMALL)
    push(hasty)
    assert hasty.marker() == "new"


def test_rows_may_take_longer_to_arrive_than_a_server_lets_transactions_take(
    hasty: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGE", 1)
    monkeypatch.setattr(tables, "FEW", 0)
    hasty.fresh(content.GATED)
    with hasty.held():
        threading.Timer(3, hasty.target.query, ["DROP DATABASE gate;"]).start()
        push(hasty)
    assert hasty.live("SELECT count(*) FROM a_gate;") == [["1"]]


def test_event_triggers_are_refused_before_anything_is_copied(pair: Pair) -> None:
    pair.fresh(
        content.SMALL + "CREATE FUNCTION told () RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN END'; CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told();"
    )
    with pytest.raises(DatabaseError, match="host1: the source has event triggers"):
        push(pair)
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_wrapper_of_an_extension_may_be_used_by_the_site(pair: Pair) -> None:
    pair.fresh(
        content.SMALL + "CREATE EXTENSION postgres_fdw;"
        "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'other');"
        "CREATE FOREIGN TABLE away (a int) SERVER other;"
    )
    push(pair)
    owner = "SELECT srvowner::regrole FROM pg_foreign_server WHERE srvname = 'other';"
    assert pair.live(owner) == [[SITE]]


def test_a_dump_without_what_only_an_administrator_may_create(pair: Pair, tmp_path: Path) -> None:
    pair.fresh(content.SMALL + "CREATE PUBLICATION told FOR ALL TABLES;")
    push(pair, str(dumped(pair, tmp_path, "-Fc")))
    assert pair.marker() == "new"
    pair.fresh(content.SMALL + "CREATE EXTENSION pageinspect;")
    with pytest.raises(DatabaseError, match=r"pageinspect.*; restore it into the local database"):
        push(pair, str(dumped(pair, tmp_path, "-Fc")))
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


GIVEN = """ALTER DATABASE site SET search_path = '', "Odd, one", public;
ALTER DATABASE site SET role = '{0}';
COMMENT ON DATABASE site IS 'kept for ever';"""
GRANTS = """CREATE ROLE reporting;
GRANT SELECT ON public.marker TO reporting WITH GRANT OPTION;
GRANT UPDATE (text) ON public.marker TO reporting; GRANT USAGE ON SCHEMA public TO reporting;
CREATE TABLE old (a int); GRANT SELECT ON old TO reporting;
CREATE SEQUENCE "Odd one"; GRANT USAGE ON "Odd one" TO PUBLIC;
CREATE FUNCTION two (a numeric(3, 1), VARIADIC b text[]) RETURNS int LANGUAGE sql AS 'SELECT 2';
GRANT EXECUTE ON FUNCTION two TO reporting;
ALTER DEFAULT PRIVILEGES FOR ROLE site IN SCHEMA public GRANT SELECT ON TABLES TO reporting;
ALTER DEFAULT PRIVILEGES FOR ROLE site REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION two FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC;
CREATE FUNCTION nth (int[], int) RETURNS int LANGUAGE sql AS 'SELECT $1[$2]';
CREATE AGGREGATE nth_of (int ORDER BY int) (SFUNC = array_append, STYPE = int[], FINALFUNC = nth);
GRANT EXECUTE ON ROUTINE nth_of (int, int) TO reporting;
CREATE SCHEMA app AUTHORIZATION site; GRANT USAGE ON SCHEMA app TO PUBLIC;
ALTER TABLE public.marker ADD gone int; GRANT SELECT (gone) ON public.marker TO reporting;
ALTER TABLE public.marker DROP gone;
CREATE PUBLICATION feed;"""
ALIKE = """CREATE SEQUENCE "Odd one"; CREATE FUNCTION two (a numeric(3, 1), VARIADIC b text[])
    RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE SCHEMA app;
CREATE FUNCTION nth (int[], int) RETURNS int LANGUAGE sql AS 'SELECT $1[$2]';
CREATE AGGREGATE nth_of (int ORDER BY int) (SFUNC = array_append, STYPE = int[], FINALFUNC = nth);
"""


@pytest.mark.parametrize("role", [SITE, "reporting"])
def test_what_is_said_of_the_live_database_is_kept_and_what_is_said_in_it_is_told(
    pair: Pair, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    pair.fresh(content.SMALL + "CREATE EXTENSION pageinspect;" + ALIKE)
    pair.live(GRANTS)
    pair.target.query(GIVEN.format(role))
    granted = sorted(pair.live(f"RESET role; {grants.GRANTED}"))
    assert len(granted) == 12
    settings = """SELECT setconfig, shobj_description(setdatabase, 'pg_database')
        FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE datname = 'site' AND setrole = 0;"""
    before = pair.target.query(settings)
    try:
        push(pair)
        said = capsys.readouterr().err
        assert pair.target.query(settings) == before
        assert pair.target.query("SELECT text FROM public.marker;", SITE) == [["new"]]
        assert "site has what the copy will not: publication feed\n" in said
        lost = "GRANT SELECT ON TABLE public.old TO reporting;"
        assert f"cannot be granted in the copy: {lost}\n" in said
        kept = [row for row in granted if row != [lost]]
        for _ in range(2):
            assert sorted(pair.live(f"RESET role; {grants.GRANTED}")) == kept
            push(pair)
        assert "the copy" not in capsys.readouterr().err
    finally:
        for name in (SITE, f"{SITE}__previous"):
            pair.target.query(f"DROP DATABASE IF EXISTS {name};")
        pair.target.query("DROP ROLE reporting;")


def test_a_live_database_that_is_replicated_is_not_replaced_under_it(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    pair.live(
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);"
    )
    with pytest.raises(DatabaseError, match="site cannot be replaced under its subscription feed"):
        push(pair)
    pair.live("ALTER SUBSCRIPTION feed SET (slot_name = NONE);")
    pair.live("DROP SUBSCRIPTION feed;")
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_nothing_takes_the_place_of_no_tables(pair: Pair) -> None:
    pair.fresh("SELECT 1;")
    with pytest.raises(DatabaseError, match="there is no table, and site has 1"):
        push(pair)
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_the_copy_lies_in_the_tablespace_of_the_live_one(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    docker("exec", pair.ends.target.container, "install", "-d", "-o", "postgres", "/var/lib/large")
    pair.target.query("CREATE TABLESPACE large LOCATION '/var/lib/large';")
    try:
        pair.target.query("ALTER DATABASE site SET TABLESPACE large;")
        for _ in range(3):
            push(pair)
            where = """SELECT spcname FROM pg_database d JOIN pg_tablespace s
                ON s.oid = d.dattablespace WHERE datname = 'site';"""
            assert pair.target.query(where) == [["large"]]
            assert pair.marker() == "new"
    finally:
        pair.clear()
        pair.target.query("DROP TABLESPACE large;")


def test_only_what_arrives_of_this_run_is_removed(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    names = pair.ends.names
    with Session(shell, pair.ends.target) as mine, Session(shell, pair.ends.target) as other:
        [[ours]], [[theirs]] = (one.query("SELECT pg_backend_pid();") for one in (mine, other))
        assert mine.query(statements.lease(names)) == [["t", ours]]
        pair.target.query(f"CREATE DATABASE {names.incoming};")
        assert pair.target.query(statements.drop_ours(names, theirs)) == [["f"]]
        assert names.incoming in pair.databases()
        assert pair.target.query(statements.drop_ours(names, ours)) == [["t"]]
        assert names.incoming not in pair.databases()
    pair.target.query(f"CREATE DATABASE {names.incoming};")
    assert pair.target.query(statements.drop_ours(names, ours)) == [["t"]]
    assert pair.databases() == {SITE}
