"""Bring a role and a database into being on a real server."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.dsn import DatabaseDsn
from slipway.errors import CommandError
from slipway.postgres import role
from slipway.postgres.quoting import identifier, literal
from slipway.secrets import Secret
from tests.conformance.database.servers import SITE, Pair, docker

TEXTS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def login(pair: Pair, password: str, user: str = SITE) -> str:
    words = ["psql", "--host=127.0.0.1", f"--username={user}", f"--dbname={SITE}", "-Atc"]
    variable = f"PGPASSWORD={password}"
    container = pair.ends.target.container
    return docker("exec", "--env", variable, container, *words, "SELECT current_user")


def test_a_new_server_gets_role_and_database(pair: Pair) -> None:
    pair.clear()
    pair.target.query("DROP ROLE IF EXISTS site;")
    assert role.differences(pair.target, pair.dsn) == [
        "role site does not exist", "database site does not exist"
    ]  # fmt: skip
    role.converge(pair.target, pair.dsn)
    assert role.differences(pair.target, pair.dsn) == []
    assert login(pair, pair.dsn.password.reveal()) == SITE
    assert pair.live("SHOW server_encoding;") == [["UTF8"]]


@pytest.mark.parametrize(
    "password", ["plain", "naïve ﬁ \u00a0x", "\u00adsoft", "'; DROP ROLE site"]
)
def test_another_password_is_found_and_mended(pair: Pair, password: str) -> None:
    role.converge(pair.target, pair.dsn)
    changed = DatabaseDsn(SITE, Secret(password), "db", SITE)
    assert role.differences(pair.target, changed) == ["role site has another password"]
    role.converge(pair.target, changed)
    assert login(pair, password) == SITE
    with pytest.raises(CommandError, match="password authentication failed"):
        login(pair, pair.dsn.password.reveal())


def test_the_password_does_not_reach_the_server(pair: Pair) -> None:
    secret = "a-word-that-must-not-be-logged"
    pair.target.query("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf();")
    role.converge(pair.target, DatabaseDsn(SITE, Secret(secret), "db", SITE))
    pair.target.query("ALTER SYSTEM RESET log_statement; SELECT pg_reload_conf();")
    log = docker("logs", pair.ends.target.container)
    assert login(pair, secret) == SITE
    assert secret not in log


def test_what_was_changed_by_hand_is_mended(pair: Pair) -> None:
    role.converge(pair.target, pair.dsn)
    pair.target.query("ALTER ROLE site NOLOGIN; ALTER DATABASE site OWNER TO postgres;")
    assert role.differences(pair.target, pair.dsn) == [
        "role site cannot log in", "database site belongs to postgres"
    ]  # fmt: skip
    role.converge(pair.target, pair.dsn)
    pair.target.query("REVOKE CREATE ON DATABASE site FROM site;")
    assert role.differences(pair.target, pair.dsn) == ["role site may not create in database site"]
    role.converge(pair.target, pair.dsn)
    assert pair.live("SET ROLE site; CREATE SCHEMA mine; SELECT 1;") == [["1"]]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=TEXTS, name=TEXTS.filter(lambda name: 0 < len(name.encode()) <= 63))
def test_the_server_reads_what_was_quoted(pair: Pair, value: str, name: str) -> None:
    assert pair.target.query(f"SELECT {literal(value)}, 1;") == [[value, "1"]]
    sql = f"SELECT * FROM (SELECT 1) AS t ({identifier(name)}) WHERE {identifier(name)} = 1;"
    assert pair.target.query(sql) == [["1"]]
