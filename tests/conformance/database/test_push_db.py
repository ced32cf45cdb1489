"""Push a database from one real server to another, whole."""

import json

import pytest

from slipway.console import Console
from slipway.database import push_db
from slipway.errors import DatabaseError
from slipway.postgres import beside, compare, reuse, statements, tables
from slipway.postgres.beside import CopyDiffers
from slipway.postgres.facts import Facts, Source, Target
from slipway.postgres.programs import Machine
from slipway.postgres.quoting import identifier
from slipway.postgres.session import Session, StatementError
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, shell
from tests.unit.factory import environment

FINGERPRINT = """
SELECT md5(string_agg(f::text, '|' ORDER BY id)) FROM uploader_file f
UNION ALL SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM auth_user u
UNION ALL SELECT string_agg(convert_from(lo_get(oid), 'UTF8'), '|') FROM pg_largeobject_metadata
UNION ALL SELECT string_agg(b::text, '|') FROM "Odd ""name"" %s"
UNION ALL SELECT obj_description('marker'::regclass);
"""
STRANGERS = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname IN ('public', 'other') AND relowner <> 'site'::regrole
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'other'
    AND nspowner <> 'site'::regrole
UNION ALL SELECT oid::text FROM pg_largeobject_metadata WHERE lomowner <> 'site'::regrole;
"""
UNKNOWN = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE nspname IN ('public', 'other') AND relkind IN ('r', 'p', 'm') AND relname <> 'empty'
    AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid);
"""


def push(pair: Pair) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), ends=pair.ends)


def test_everything_arrives_whole(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.fresh(content.SITE)
    fields = push(pair)
    assert fields == json.loads(capsys.readouterr().out)
    assert (fields["tables"], fields["rows"]) == (content.SITE_TABLES, content.SITE_ROWS)
    assert 10_000 < int(str(fields["bytes_sent"])) < 20_000_000
    assert pair.live(FINGERPRINT) == pair.source.query(FINGERPRINT, "local")
    assert pair.databases() == {SITE, "site__previous"}
    assert pair.target.query("SELECT text FROM marker;", "site__previous") == [["old"]]


@pytest.mark.parametrize("large", [1, 8193])
def test_large_tables_arrive_beside_each_other(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(tables, "LARGE", large)
    pair.fresh(content.SITE + content.ODD)
    fields = push(pair)
    assert fields["rows"] == content.SITE_ROWS + content.ODD_ROWS
    assert pair.live(FINGERPRINT) == pair.source.query(FINGERPRINT, "local")
    assert pair.live(content.ODD_SEEN) == pair.source.query(content.ODD_SEEN, "local")
    assert pair.live(STRANGERS) == []


def test_what_a_restore_does_not_make_or_names_otherwise_is_no_difference(pair: Pair) -> None:
    pair.fresh("""
CREATE TABLE broken (a int);
CREATE INDEX broken_a ON broken (a);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken_a'::regclass;
CREATE TABLE parted (n int PRIMARY KEY) PARTITION BY RANGE (n);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (2);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (2) TO (3);
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (3) TO (4);
CREATE TABLE referring (n int REFERENCES parted);
ALTER TABLE parted DETACH PARTITION parted_2;
DROP TABLE parted_2;
CREATE FUNCTION touch () RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION touch();
""")
    push(pair)
    assert pair.live("SELECT to_regclass('broken_a') IS NULL;") == [["t"]]
    push(pair)


def test_an_extension_arrives_with_those_that_it_needs(pair: Pair) -> None:
    pair.fresh("CREATE EXTENSION cube; CREATE EXTENSION earthdistance; CREATE TABLE a (c cube);")
    push(pair)
    names = "SELECT string_agg(extname, ' ' ORDER BY oid) FROM pg_extension;"
    assert pair.live(names) == [["plpgsql cube earthdistance"]]


def test_the_site_owns_what_arrived_and_goes_on_counting(pair: Pair) -> None:
    pair.fresh(content.SITE)
    push(pair)
    assert pair.live(STRANGERS) == []
    answer = pair.live(
        "SET ROLE site; INSERT INTO auth_user (username) VALUES ('x') RETURNING id;"
        "SELECT nextval('never_used'), twice(3); ALTER TABLE marker ADD n int;"
    )
    assert answer == [["51"], ["41", "6"]]


def test_statistics_are_there_from_the_first_query(pair: Pair) -> None:
    pair.fresh(content.SITE)
    push(pair)
    assert pair.live("SELECT reltuples FROM pg_class WHERE relname = 'auth_user';") == [["50"]]
    # Partitioned tables, their parts, views that hold rows, and odd names.
    assert pair.live(UNKNOWN) == []


def test_a_second_push_keeps_only_the_last_database(pair: Pair) -> None:
    pair.fresh(content.SITE)
    push(pair)
    pair.source.query("UPDATE marker SET text = 'newer';", "local")
    push(pair)
    assert pair.marker() == "newer"
    assert pair.target.query("SELECT text FROM marker;", "site__previous") == [["new"]]
    assert pair.databases() == {SITE, "site__previous"}


def test_settings_and_grants_of_the_live_database_stay(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    pair.target.query(
        "ALTER DATABASE site SET work_mem = '7MB'; ALTER DATABASE site CONNECTION LIMIT 50;"
        'ALTER DATABASE site SET search_path = public, "o\'dd";'
        "ALTER DATABASE site SET my.tenant = 'it''s';"
        "ALTER ROLE site IN DATABASE site SET statement_timeout = '9s';"
        "REVOKE CONNECT ON DATABASE site FROM PUBLIC; GRANT CONNECT ON DATABASE site TO pg_monitor;"
    )
    ask = """
    SELECT setconfig::text, setrole::regrole::text, datconnlimit, datcollate,
        (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a)
    FROM pg_database d JOIN pg_db_role_setting ON setdatabase = d.oid WHERE datname = 'site'
    ORDER BY 1;
    """
    before = pair.target.query(ask)
    push(pair)
    assert len(before) == 2
    assert pair.target.query(ask) == before


def test_untrusted_extensions_are_created_by_the_administrator(pair: Pair) -> None:
    pair.fresh(
        content.SMALL + "CREATE SCHEMA tools; CREATE EXTENSION pageinspect SCHEMA tools;"
        "CREATE EXTENSION pgstattuple; COMMENT ON TABLE marker IS 'kept';"
        "CREATE VIEW uses AS SELECT tools.get_raw_page('marker', 0) WHERE false;"
    )
    push(pair)
    found = pair.live(
        "SELECT extname, extowner::regrole, nspname FROM pg_extension JOIN pg_namespace n "
        "ON n.oid = extnamespace WHERE extname LIKE 'p%t%' ORDER BY 1;"
    )
    assert found == [["pageinspect", "postgres", "tools"], ["pgstattuple", "postgres", "public"]]
    assert pair.live("SELECT obj_description('marker'::regclass);") == [["kept"]]


def test_an_extension_that_the_target_lacks_is_refused_at_once(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    folder = pair.source.query("SELECT setting FROM pg_config WHERE name = 'SHAREDIR';")[0][0]
    control = f"{folder}/extension/homemade"
    pair.source.run(["tee", f"{control}.control"], stdin=b"default_version = '1'\n")
    pair.source.run(["tee", f"{control}--1.sql"], stdin=b"SELECT 1;\n")
    pair.source.query("CREATE EXTENSION homemade;", "local")
    with pytest.raises(DatabaseError, match="host1: the server has no extension homemade; "):
        push(pair)
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_tables_that_an_extension_fills_keep_what_was_added(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    control = b"default_version = '1'\nrelocatable = false\n"
    sql = b"CREATE TABLE systems (id int); INSERT INTO systems VALUES (1);"
    sql += b"SELECT pg_extension_config_dump('systems', 'WHERE id > 1');"
    for client in (pair.source, pair.target):
        folder = client.query("SELECT setting FROM pg_config WHERE name = 'SHAREDIR';")[0][0]
        client.run(["tee", f"{folder}/extension/geo.control"], stdin=control)
        client.run(["tee", f"{folder}/extension/geo--1.sql"], stdin=sql)
    pair.source.query("CREATE EXTENSION geo; INSERT INTO systems VALUES (2);", "local")
    push(pair)
    assert pair.live("SELECT id FROM systems ORDER BY 1;") == [["1"], ["2"]]


def test_migrations_that_the_local_database_lacks_are_warned_of(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "CREATE TABLE django_migrations (app text, name text);"
    pair.fresh(content.SMALL + table + "INSERT INTO django_migrations VALUES ('a', '0001');")
    pair.live(table + "INSERT INTO django_migrations VALUES ('a', '0001'), ('a', '0002');")
    push(pair)
    assert "the local database lacks the migration a.0002;" in capsys.readouterr().err


def test_a_target_that_was_not_provisioned_is_refused(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    pair.target.query("DROP DATABASE site;")
    with pytest.raises(DatabaseError, match="run 'invoke provision'"):
        push(pair)


def test_a_row_that_did_not_arrive_is_found(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    ask = statements.target_facts(pair.ends.names, pair.ends.owner)
    machine = Machine(cores=2, zstd=False, free=0)
    found = Facts(
        Source.read(pair.source.query(statements.SOURCE_FACTS, "local")[0][0]),
        Target.read(pair.target.query(ask)[0][0]),
        machine,
        machine,
    )
    with (
        Session(shell, pair.ends.target) as admin,
        Session(shell, pair.ends.target) as second,
        Session(shell, pair.ends.source, "local") as source,
    ):
        with beside.created(shell, admin, pair.ends, found) as ready:
            filled = beside.fill(shell, pair.ends, found, source, ready, lambda _: None)
        beside.verify(admin, second, pair.ends, found, filled)
        pair.target.query("UPDATE marker SET text = 'New';", pair.ends.names.incoming)
        with pytest.raises(CopyDiffers, match=r"public\.marker has the same 1 rows, with other"):
            beside.verify(admin, second, pair.ends, found, filled)
        pair.target.query("DELETE FROM marker;", pair.ends.names.incoming)
        with pytest.raises(CopyDiffers, match=r"table public\.marker has 1 rows here, 0 there"):
            beside.verify(admin, second, pair.ends, found, filled)


def test_rows_written_during_the_dump_do_not_count(pair: Pair) -> None:
    pair.fresh(content.SMALL + "CREATE SEQUENCE s;")
    with Session(shell, pair.ends.source, "local") as session:
        session.query(reuse.SNAPSHOT)
        pair.source.query("INSERT INTO marker VALUES ('x'); SELECT nextval('s');", "local")
        listed = tables.read(session.query(tables.TABLES))
        objects = compare.inventory(session.ask(*tables.fingerprints(listed))[0])
        assert objects["table", "public.marker"].startswith("1:")
        assert compare.sequences(session.query(statements.SEQUENCES)) == {"public.s": 1}


def test_what_the_server_refuses_is_one_line_with_its_state(pair: Pair) -> None:
    with Session(shell, pair.ends.target) as session:
        with pytest.raises(StatementError, match="host1: division by zero") as caught:
            session.query("SELECT 1/0;")
        assert caught.value.state == "22012"
        assert session.query("SELECT 'a,\n\"b', NULL;") == [['a,\n"b', ""]]


@pytest.mark.parametrize("name", ["plain", "it's", 'a "b" \\ c', "host=nowhere", "Ünï :x `date`"])
def test_a_session_goes_on_in_another_database(pair: Pair, name: str) -> None:
    pair.target.query(f"CREATE DATABASE {identifier(name)};")
    try:
        with Session(shell, pair.ends.target) as session:
            session.connect(name)
            assert session.query("SELECT current_database();") == [[name]]
            session.connect()
            assert session.ask("SELECT 1;", "SELECT current_database();") == [
                [["1"]],
                [["postgres"]],
            ]
            session.connect("nowhere")
            with pytest.raises(DatabaseError, match='"nowhere" does not exist'):
                session.query("SELECT 1;")
    finally:
        pair.target.query(f"DROP DATABASE {identifier(name)};")


def test_what_is_asked_at_once_is_answered_in_order_and_an_error_is_told(pair: Pair) -> None:
    with Session(shell, pair.ends.target) as session:
        with pytest.raises(StatementError, match="division by zero"):
            session.ask("SELECT 1;", "SELECT 1/0;", "CREATE DATABASE plain;")
        assert session.query("SELECT 2;") == [["2"]]
    assert "plain" in pair.databases()
    pair.target.query("DROP DATABASE plain;")


def test_an_error_is_not_explained_by_an_earlier_one(pair: Pair) -> None:
    with Session(shell, pair.ends.target) as session:
        with pytest.raises(StatementError, match="division by zero"):
            session.query("SELECT 1/0;")
        with pytest.raises(DatabaseError, match="terminating connection"):
            session.query("SELECT pg_terminate_backend(pg_backend_pid());")


def test_a_schema_of_any_size_is_asked_about(pair: Pair) -> None:
    many = "DO $$ BEGIN FOR n IN {}..{} LOOP EXECUTE format("
    many += "'CREATE TABLE of_a_rather_long_name_%s (a int, b text, c date)', n); END LOOP; END $$;"
    pair.fresh(content.SMALL)
    with Session(shell, pair.ends.source, "local") as session:
        # The locks of a transaction are limited.
        for first in range(1, 3000, 300):
            session.query(many.format(first, first + 299))
        listed = tables.read(session.query(tables.TABLES))
        asked = [statements.INVENTORY, tables.TABLES, *tables.fingerprints(listed)]
        answers = session.ask(*asked, tables.TABLES)
        assert len(answers[1]) == len(answers[-1]) == 3001
        assert sum(len(rows) for rows in answers[2:-1]) == 3001


def test_large_objects_are_not_kept_in_memory(pair: Pair) -> None:
    large = "SELECT lo_from_bytea(0, convert_to(string_agg(md5(n::text), ''), 'UTF8'))"
    pair.fresh(f"{content.SMALL}{large} FROM generate_series(1, 5000000) n;")
    push(pair)
    assert pair.marker() == "new"
    assert pair.live("SELECT sum(length(data)) FROM pg_largeobject;") == [["160000000"]]


def test_somebody_who_locks_the_live_table_does_not_stop_a_push(pair: Pair) -> None:
    pair.fresh(content.BULK + "CREATE TABLE django_migrations (app text, name text);")
    push(pair)
    with Session(shell, pair.ends.target, SITE) as somebody:
        somebody.query("BEGIN; LOCK TABLE bulk, django_migrations;")
        fields = push(pair)
    assert (fields["rows"], fields["rows_reused"]) == (200001, 0)
    assert pair.marker() == "new"


def test_a_database_that_is_not_there_is_one_line(pair: Pair) -> None:
    with Session(shell, pair.ends.source, "nowhere") as session:  # noqa: SIM117
        with pytest.raises(DatabaseError, match=r'the local database: .*"nowhere" does not exist'):
            session.query("SELECT 1;")
