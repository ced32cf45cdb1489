"""What goes on in a copy beside objects and rows, and what is said of the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slipway.console import Console
from slipway.database import pull_db, push_db
from slipway.errors import ConfigurationError, DatabaseError
from slipway.postgres.session import Session
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, shell
from tests.conformance.database.test_push_db_sources import dumped
from tests.unit.factory import environment

# As migrations write it: a schema of the site's own, and what not everybody may do.
SCHEMA = """
CREATE SCHEMA app; CREATE TABLE app.things (id int); INSERT INTO app.things VALUES (7);
ALTER DATABASE local SET search_path = app, public;
CREATE FUNCTION app.secret () RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
REVOKE ALL ON FUNCTION app.secret FROM PUBLIC;
CREATE TYPE app.mood AS ENUM ('calm'); REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
"""
MORE = """
ALTER DATABASE local SET work_mem = '7MB';
CREATE ROLE helper; GRANT SELECT ON app.things TO helper; CREATE PUBLICATION feed;
"""
ONLY_LIVE = """
CREATE EXTENSION pg_trgm; CREATE FUNCTION told () RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN END'; CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told();
"""


def push(pair: Pair, dump: str = "") -> dict[str, object]:
    return push_db(environment(), Console(), dump=dump, ends=pair.ends)


@contextmanager
def locked(pair: Pair) -> Iterator[None]:
    """Hold the live database's table for oneself."""
    with Session(shell, pair.ends.target, SITE) as session:
        session.query("BEGIN; LOCK TABLE marker;")
        yield


def test_where_names_lead_and_what_is_kept_from_everybody_belongs_to_the_content(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.fresh(content.SMALL + SCHEMA)
    push(pair)
    # Of what the copy was given nothing is to be told.
    assert "!" not in capsys.readouterr().err
    assert pair.live("SELECT id FROM things;") == [["7"]]
    kept = "has_function_privilege('public', 'secret()', 'EXECUTE'),"
    kept += "has_type_privilege('public', 'mood', 'USAGE')"
    assert pair.live(f"SELECT {kept};") == [["f", "f"]]


def test_what_the_source_says_and_the_live_database_does_not_is_named(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.fresh(content.SMALL + SCHEMA + MORE)
    pair.target.query(f"ALTER DATABASE {SITE} SET search_path = public, app;")
    try:
        push(pair)
    finally:
        pair.source.query("DROP OWNED BY helper; DROP ROLE helper;", "local")
    said = capsys.readouterr().err
    assert "the source has what the copy will not: publication feed\n" in said
    assert "the source says what site does not: ALTER DATABASE site SET search_path" in said
    assert pair.live("SHOW search_path;") == [["public, app"]]
    assert pair.live("SHOW work_mem;") == [["4MB"]]


def test_what_only_the_live_database_has_is_named(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.fresh(content.SMALL)
    pair.live(ONLY_LIVE)
    push(pair)
    said = capsys.readouterr().err
    assert "site has what the copy will not: event trigger told (and 1 more)\n" in said


def test_no_table_is_seen_also_while_somebody_holds_those_of_the_live_database(
    pair: Pair,
) -> None:
    pair.fresh("")
    with locked(pair), pytest.raises(DatabaseError, match="there is no table, and site has 1"):
        push(pair)
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_dump_that_leads_to_another_database_ends_before_it(pair: Pair, tmp_path: Path) -> None:
    pair.fresh(content.SMALL)
    path = dumped(pair, tmp_path)
    whole = path.read_text(encoding="utf-8")
    for line in (f"\\connect {SITE}", f'\\c "{SITE}"'):
        path.write_text(f"{line}\nDROP TABLE marker;\n{whole}", encoding="utf-8")
        with pytest.raises(DatabaseError, match=r"leads to another .*; make it again without --cr"):
            push(pair, str(path))
        assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_dump_without_tables_takes_no_ones_place(pair: Pair, tmp_path: Path) -> None:
    pair.fresh("")
    with pytest.raises(DatabaseError, match="--dump: there is no table, and site has 1"):
        push(pair, str(dumped(pair, tmp_path, "-Fc")))
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_what_a_dump_lacks_is_named(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations = "CREATE TABLE django_migrations (app text, name text);"
    pair.fresh(f"{migrations} INSERT INTO django_migrations VALUES ('a', '1');")
    pair.live(f"{migrations} INSERT INTO django_migrations VALUES ('a', '1'), ('a', '2');")
    push(pair, str(dumped(pair, tmp_path, "-Fc")))
    said = capsys.readouterr().err
    assert "! the dump lacks the migration a.2; run 'invoke deploy' afterwards\n" in said
    assert "! site has what the dump has not: table public.marker\n" in said


TEXT = "How it''s \"done\":\n\nALTER TABLE x OWNER TO y;\nend"
TOLD = f"""
COMMENT ON TABLE marker IS '{TEXT}';
ALTER TABLE marker ADD more text DEFAULT '{TEXT}';
CREATE VIEW looked AS SELECT '{TEXT}'::text AS "it's";
"""


def test_a_text_in_a_dump_is_no_statement(pair: Pair, tmp_path: Path) -> None:
    pair.fresh(content.SMALL + TOLD)
    push(pair, str(dumped(pair, tmp_path)))
    ask = """SELECT obj_description('marker'::regclass), more, "it's" FROM marker, looked;"""
    said = pair.live(ask)
    assert said == [[TEXT.replace("''", "'")] * 3]
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public';"
    assert pair.live(owners) == [[SITE]]


def test_rows_that_refer_to_what_is_left_out_are_seen_before_anything_is_copied(pair: Pair) -> None:
    pair.fresh("")
    pair.live(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);"
        "CREATE TABLE b (a int REFERENCES a); INSERT INTO b VALUES (1);"
        "CREATE TABLE c (a int REFERENCES a); INSERT INTO c VALUES (NULL);"
    )
    with pytest.raises(ConfigurationError, match=r"public\.b refers to public\.a; leave out publ"):
        pull_db(environment(), Console(), exclude_data=["a"], ends=pair.back)
    fields = pull_db(environment(), Console(), exclude_data=["a", "b"], ends=pair.back)
    assert fields["rows"] == 2
