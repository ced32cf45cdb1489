"""Push into a copy of the database that was kept: nothing differs from one that was made anew."""

import random
from collections.abc import Sequence

import pytest

from slipway.errors import DatabaseError
from slipway.postgres import facts, parts, programs, renewal, reuse, statements, tables
from slipway.postgres.beside import Filled
from slipway.postgres.copying import Copy
from slipway.postgres.parts import Shared
from slipway.postgres.renewal import Renewal
from slipway.postgres.server import Client
from slipway.postgres.session import Session
from tests.conformance.database.servers import SITE, Pair, shell
from tests.conformance.database.test_push_db_again import (
    CHANGES,
    KEYED,
    MORE,
    assert_same,
    number,
    push,
)

SEED, ROUNDS = 11, 6
# Of a trigger, a rule or a foreign key that acted there would be seen later.
BASE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood mood, tags text[],
    positive int CHECK (positive > 0), near float8, during tstzrange,
    twice int GENERATED ALWAYS AS (2 * positive) STORED, EXCLUDE USING gist (during WITH &&));
INSERT INTO odd (mood, positive, near, during, tags) SELECT 'sad', n, 0.1 * n,
    tstzrange(to_timestamp(n * 10), to_timestamp(n * 10 + 5)), '{"a b",NULL}'
    FROM generate_series(1, 9000) n;
CREATE TABLE marker (text text);
INSERT INTO marker VALUES ('new');
CREATE SEQUENCE never_used;
CREATE TABLE "Odd ""name"" %s" (a bigint PRIMARY KEY, b jsonb);
INSERT INTO "Odd ""name"" %s" SELECT n, '{"a": null}' FROM generate_series(1, 7) n;
CREATE TABLE child (id bigserial PRIMARY KEY, wide bigint REFERENCES wide ON DELETE CASCADE,
    odd bigint REFERENCES "Odd ""name"" %s" ON DELETE SET NULL);
INSERT INTO child (wide, odd) SELECT id, 1 + id % 7 FROM wide;
CREATE TABLE seen (what text);
CREATE FUNCTION see () RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO seen VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER see AFTER INSERT OR DELETE ON marker FOR EACH ROW EXECUTE FUNCTION see();
CREATE RULE tell AS ON DELETE TO marker DO ALSO INSERT INTO seen VALUES ('deleted');
CREATE TABLE parted (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO parted SELECT date '2024-02-02' + n % 100, n FROM generate_series(1, 9000) n;
CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS n;
CREATE TABLE parent (a int); CREATE TABLE heir (b int) INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO heir VALUES (2, 3);
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON parent USING (a > 1);
-- What is written otherwise where another search path holds; what has an owner of its own; an index
-- that is not valid by nature; nothing to copy.
CREATE TABLE listed (of regclass, n int, text text, PRIMARY KEY (of, n));
INSERT INTO listed SELECT 'listed', n, n FROM generate_series(1, 4000) n;
CREATE TYPE texts AS RANGE (subtype = text);
CREATE INDEX ON ONLY parted (n);
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE computed (a int GENERATED ALWAYS AS (5) STORED);
INSERT INTO computed DEFAULT VALUES;
"""
# Most of what may happen to rows; what changes a schema is tried below.
ROWS = [one for one in CHANGES if "ALTER" not in one and "lo_" not in one and "CREATE" not in one]
ROWS += [
    "DELETE FROM marker; INSERT INTO marker VALUES ('marked {n}');",
    'UPDATE "Odd ""name"" %s" SET b = NULL WHERE a % 5 = {n} % 5;',
    "UPDATE parted SET n = n + 1 WHERE day = date '2024-02-02' + {n};",
    "UPDATE parent SET a = {n}; INSERT INTO heir VALUES ({n}, {n});",
    "TRUNCATE unlogged; INSERT INTO unlogged VALUES ({n});",
    "UPDATE wide SET id = id + 1000000 WHERE id % 83 = {n} AND id NOT IN (SELECT wide FROM child);",
    "DELETE FROM seen;",
    "UPDATE listed SET text = 'changed {n}' WHERE n % 400 = {n};",
    "INSERT INTO nothing DEFAULT VALUES; INSERT INTO computed DEFAULT VALUES;",
]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[Filled | None]:
    """Tell which pushes were renewals; every table is worth comparing."""
    monkeypatch.setattr(parts, "SMALLEST", 8192)
    monkeypatch.setattr(tables, "FEW", 1 << 20)
    monkeypatch.setattr(renewal, "MOST_CHANGED", 0.5)
    said: list[Filled | None] = []
    run = Renewal.run

    def recorded(self: Renewal) -> Filled | None:
        said.append(run(self))
        return said[-1]

    monkeypatch.setattr(Renewal, "run", recorded)
    return said


@pytest.fixture
def pushed(pair: Pair, results: list[Filled | None]) -> Pair:
    """Give two servers that hold the same, the one what it held before as well."""
    pair.fresh(MORE + BASE)
    push(pair)
    push(pair)
    # The first found nothing to begin with, the second a database with other tables.
    assert results.pop() is None
    assert results == []
    return pair


def test_whatever_was_changed_arrives(pushed: Pair, results: list[Filled | None]) -> None:
    chance = random.Random(SEED)
    push(pushed)
    for _ in range(ROUNDS):
        for statement in chance.sample(ROWS, 7):
            client, database = chance.choice(
                [(pushed.source, "local")] * 3
                + [(pushed.target, SITE), (pushed.target, f"{SITE}__previous")]
            )
            sql = statement.format(n=chance.randint(1, 80))
            client.query(f"\\set ON_ERROR_STOP 0\n{sql}", database)
        push(pushed)
        assert_same(pushed)
    assert sum(one is not None for one in results) >= ROUNDS - 1


def test_what_is_the_same_is_not_sent_and_comes_from_the_kept_one(
    pushed: Pair, results: list[Filled | None]
) -> None:
    pushed.live("UPDATE wide SET title = 'of the site'; DELETE FROM named;")
    pushed.source.query("UPDATE wide SET title = title || '!' WHERE id % 100 = 1;", "local")
    fields = push(pushed)
    [found] = results
    assert found
    assert_same(pushed)
    assert number(fields, "rows_reused") > number(fields, "rows") - KEYED * 0.05
    assert pushed.target.query("SELECT count(*) FROM named;", f"{SITE}__previous") == [["0"]]


SCHEMA = [
    ("ALTER TABLE wide ADD added int DEFAULT 5;", "ALTER TABLE wide DROP added;"),
    ("ALTER FUNCTION see SECURITY DEFINER;", "ALTER FUNCTION see SECURITY INVOKER;"),
    ("ALTER TABLE marker DISABLE TRIGGER see;", "ALTER TABLE marker ENABLE TRIGGER see;"),
    ("GRANT SELECT ON marker TO pg_monitor;", "REVOKE ALL ON marker FROM pg_monitor;"),
    ("COMMENT ON TABLE wide IS 'of the site';", "COMMENT ON TABLE wide IS NULL;"),
    ("CREATE PUBLICATION told;", "DROP PUBLICATION told;"),
]


def test_the_schemas_digest_tells_whatever_a_restore_would_make_otherwise(pushed: Pair) -> None:
    def digest(client: Client, database: str, snapshot: str = "") -> str:
        return client.run(programs.schema(client.server.user, database, snapshot)).stdout

    previous = f"{SITE}__previous"
    with Session(shell, pushed.source.server, "local") as session:
        here = digest(pushed.source, "local", session.query(reuse.SNAPSHOT)[0][0])
    assert digest(pushed.target, previous) == here
    for change, back in SCHEMA:
        pushed.target.query(change, previous)
        assert digest(pushed.target, previous) != here, change
        pushed.target.query(back, previous)


UNLIKE = [
    "SELECT lo_from_bytea(0, 'an object');",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM wide;",
    "ALTER TABLE parent FORCE ROW LEVEL SECURITY;",
    "ALTER TABLE marker ENABLE ALWAYS TRIGGER see;",
    "ALTER TABLE marker ENABLE REPLICA RULE tell;",
    "ALTER TABLE wide OWNER TO postgres;",
    "ALTER FUNCTION see OWNER TO pg_monitor;",
    "ALTER TYPE mood OWNER TO postgres;",
    "CREATE TYPE made AS (a int);",
    "CREATE COLLATION made (provider = icu, locale = 'de');",
    "CREATE TEXT SEARCH DICTIONARY made (template = simple);",
    "CREATE STATISTICS made ON title, body FROM wide;",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'wide_title_idx'::regclass;",
    "CREATE SCHEMA made AUTHORIZATION postgres;",
    "CREATE COLLATION made (provider = icu, locale = 'de'); "
    "ALTER COLLATION made OWNER TO somebody_else;",
    "UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'uuid-ossp';",
    "UPDATE pg_extension SET extconfig = ARRAY['wide'::regclass::oid];",
    "UPDATE pg_collation SET collversion = '1' WHERE collname = 'de-x-icu';",
    f"UPDATE pg_database SET datcollversion = '1' WHERE datname = '{SITE}__previous';",
    f"UPDATE pg_database SET datctype = 'C' WHERE datname = '{SITE}';",
]


def test_what_is_not_as_a_restore_would_make_it_does_not_fit(pushed: Pair) -> None:
    previous, ask = f"{SITE}__previous", statements.renewable(SITE, SITE)
    assert pushed.target.query(ask, previous)[-1:] == [["t"]]
    for change in UNLIKE:
        said = pushed.target.query(
            f"BEGIN; CREATE ROLE somebody_else; {change}; {ask} ROLLBACK;", previous
        )
        assert said[-1:] == [["f"]], change


def test_settings_and_grants_of_the_live_one_go_on_whatever_is_compared(
    pushed: Pair,
    results: list[Filled | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pushed.target.query(
        f"ALTER DATABASE {SITE} SET timezone = 'Europe/Berlin';"
        f"REVOKE ALL ON DATABASE {SITE} FROM PUBLIC;"
    )
    pushed.source.query(
        "CREATE TABLE told (at timestamptz[], what text);"
        "INSERT INTO told SELECT ARRAY[to_timestamp(n)], md5(n::text)"
        " FROM generate_series(1, 9000) n;",
        "local",
    )
    for smallest in (8192, 8192, 8192, 1 << 40):
        monkeypatch.setattr(parts, "SMALLEST", smallest)
        pushed.source.query(
            "UPDATE told SET what = what || '!' WHERE at[1] < '1970-01-01 00:00:20';", "local"
        )
        push(pushed)
        assert pushed.live("SHOW timezone;") == [["Europe/Berlin"]]
        allowed = "SELECT datacl::text LIKE '%{=%' FROM pg_database WHERE datname = 'site';"
        assert pushed.live(allowed) == [["f"]]
    assert [one is not None for one in results] == [False, False, True, True]
    assert "the copy differs" not in capsys.readouterr().err
    pushed.target.query(f"ALTER DATABASE {SITE} RESET timezone;")
    assert_same(pushed)


def test_what_cannot_be_renewed_is_made_anew(pushed: Pair, results: list[Filled | None]) -> None:
    pushed.source.query("SELECT lo_from_bytea(0, 'an object');", "local")
    push(pushed)
    pushed.target.query("GRANT SELECT ON marker TO pg_monitor;", f"{SITE}__previous")
    pushed.source.query("SELECT lo_unlink(oid) FROM pg_largeobject_metadata;", "local")
    push(pushed)
    pushed.target.query("UPDATE wide SET body = 'something else';", f"{SITE}__previous")
    push(pushed)
    assert results == [None] * 3
    assert_same(pushed)


@pytest.mark.usefixtures("results")
def test_an_index_that_is_not_valid_is_made_anew_in_the_end(pushed: Pair) -> None:
    pushed.target.query(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'wide_title_idx'::regclass;",
        f"{SITE}__previous",
    )
    # Its rows and its definition are as they should be.
    push(pushed)
    assert_same(pushed)
    ask = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'wide_title_idx'::regclass;"
    assert pushed.live(ask) == [["t"]]


def test_where_somebody_is_connected_to_the_kept_one_it_is_not_used(
    pushed: Pair, results: list[Filled | None]
) -> None:

    with Session(shell, pushed.target.server, f"{SITE}__previous") as resting:
        resting.query("SET application_name = 'monitoring';")
        push(pushed)
    assert results == [None]
    assert_same(pushed)


def test_where_there_is_no_room_for_a_copy_of_the_kept_one_it_is_not_used(
    pushed: Pair, results: list[Filled | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = iter([0, 1 << 60])
    monkeypatch.setattr(facts, "room", lambda *_: next(needed))
    push(pushed)
    assert results == [None]
    assert list(needed) == []


def test_a_renewal_that_breaks_is_no_failure(
    pushed: Pair, results: list[Filled | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DatabaseError("host1", "terminating connection")

    monkeypatch.setattr(Renewal, "_sequences", broken)
    pushed.source.query("UPDATE marker SET text = 'newer';", "local")
    push(pushed)
    assert results == [None]
    assert_same(pushed)
    assert pushed.databases() == {SITE, f"{SITE}__previous"}


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE wide SET title = 'wrong' WHERE id % 100 = 1;",
        "DELETE FROM wide WHERE id = 101;",
        "DELETE FROM wide WHERE id = 102;",
        "INSERT INTO wide (title) VALUES ('too much');",
        "UPDATE marker SET text = 'wrong';",
    ],
)
def test_what_went_wrong_on_the_way_is_seen_and_sent_anew(
    pushed: Pair,
    results: list[Filled | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: str,
) -> None:
    renew = Copy.renew

    def spoiled(self: Copy, changed: Sequence[Shared]) -> int:
        sent = renew(self, changed)
        pushed.target.query(f"SET session_replication_role = replica; {wrong}", f"{SITE}__incoming")
        return sent

    monkeypatch.setattr(Copy, "renew", spoiled)
    pushed.source.query("UPDATE wide SET title = title || '!' WHERE id % 100 = 1;", "local")
    push(pushed)
    assert [one is not None for one in results] == [True]
    assert "the copy differs" in capsys.readouterr().err
    assert_same(pushed)
