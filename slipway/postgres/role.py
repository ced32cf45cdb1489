"""Bring the site's role and its database into being on the environment's server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from slipway.command import Shell
from slipway.dsn import DatabaseDsn
from slipway.environment import Environment
from slipway.errors import DatabaseError
from slipway.postgres import scram
from slipway.postgres.programs import Rows
from slipway.postgres.quoting import identifier, literal
from slipway.postgres.server import Client, Psql, deployed

START_SECONDS = 60.0
PAUSE = 0.5
UNLIKE = "has another password"


@contextmanager
def on_manager(shell: Shell, environment: Environment) -> Iterator[Psql]:
    """Reach the environment's server; raises DatabaseError where none runs, or HostError.

    One that is just starting is waited for.
    """
    client = Client(shell, deployed(shell, environment))
    _await(client)
    yield client


def differences(psql: Psql, dsn: DatabaseDsn) -> list[str]:
    """Say in what the server's role and database differ from the DSN; raises DatabaseError."""
    return [text for text, _ in _plan(psql, dsn)]


def converge(psql: Psql, dsn: DatabaseDsn) -> None:
    """Make the role and its database what the DSN says; raises DatabaseError.

    Only a verifier is sent: the password does not reach the server, nor its log.
    """
    # What a step changes decides what the next ones are: a new role owns nothing yet.
    done: list[str] = []
    while steps := _plan(psql, dsn):
        what, statement = steps[0]
        if what in done:
            raise DatabaseError("the database service", what, "mend it there by hand")
        psql.query(statement)
        done.append(what)


def _plan(psql: Psql, dsn: DatabaseDsn) -> list[tuple[str, str]]:
    """Return what differs, each with the statement that mends it."""
    return [*_role_steps(psql, dsn), *_database_steps(psql, dsn)]


def _role_steps(psql: Psql, dsn: DatabaseDsn) -> list[tuple[str, str]]:
    role, name = identifier(dsn.user), f"role {dsn.user}"
    found = psql.query(
        "SELECT rolcanlogin, coalesce(rolpassword, '') FROM pg_authid "  # noqa: S608
        f"WHERE rolname = {literal(dsn.user)};"
    )
    password = f"PASSWORD {literal(scram.verifier(dsn.password))}"
    if not found:
        return [(f"{name} does not exist", f"CREATE ROLE {role} LOGIN {password};")]
    steps = []
    [[login, stored]] = found
    if login != "t":
        steps.append((f"{name} cannot log in", f"ALTER ROLE {role} LOGIN;"))
    if not scram.matches(stored, dsn.password):
        steps.append((f"{name} {UNLIKE}", f"ALTER ROLE {role} {password};"))
    return steps


def _database_steps(psql: Psql, dsn: DatabaseDsn) -> list[tuple[str, str]]:
    role, database, name = identifier(dsn.user), identifier(dsn.name), f"database {dsn.name}"
    found = _database(psql, dsn)
    if not found:
        create = f"CREATE DATABASE {database} OWNER {role} TEMPLATE template0 ENCODING 'UTF8';"
        return [(f"{name} does not exist", create)]
    [[owner, may_create]] = found
    steps = []
    if owner != dsn.user:
        what = f"{name} belongs to {owner}"
        steps.append((what, f"ALTER DATABASE {database} OWNER TO {role};"))
    elif may_create != "t":
        what = f"role {dsn.user} may not create in {name}"
        steps.append((what, f"GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {role};"))
    return steps


def _database(psql: Psql, dsn: DatabaseDsn) -> Rows:
    return psql.query(
        "SELECT pg_get_userbyid(datdba), EXISTS (SELECT FROM "  # noqa: S608
        "aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = datdba "
        "AND privilege_type = 'CREATE') FROM pg_database "
        f"WHERE datname = {literal(dsn.name)};"
    )


def _await(client: Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.query("SELECT 1;")
        except DatabaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return
