"""Push to a host that is reached over SSH, both databases found by their labels."""

import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
import requests

from slipway import baseimages, dsn, local, ssh
from slipway.command import Command
from slipway.console import Console
from slipway.database import push_db
from slipway.environment import Environment
from slipway.errors import ConfigurationError, DatabaseError, HostError, SlipwayError
from slipway.postgres import role, server
from slipway.postgres.ends import find, find_target
from slipway.postgres.server import SUPERUSER, Client
from slipway.secrets import Secret
from tests.conformance.database import content, host
from tests.conformance.database.servers import IMAGE, shell, started
from tests.unit.factory import environment

# Whoever runs the same tests on this engine has others.
PASSFILE = r"*:*:*:*:a\:managed\\secret"
PROJECT = f"dbtest-{secrets.token_hex(4)}"
HOST = f"{PROJECT}-host"
PASSWORD = "a-secret-of-the-site"
URL = Secret(f"postgres://dbtest:{PASSWORD}@db:5432/dbtest")
LOCAL = {"POSTGRES_USER": "dbtest", "POSTGRES_HOST_AUTH_METHOD": "trust"}
SWARM = f"com.docker.swarm.service.name={PROJECT}-test-services_db"
OLD = "SET ROLE dbtest; CREATE TABLE marker (text text); INSERT INTO marker VALUES ('old');"


def forgotten(client: Client, *names: str) -> None:
    for name in names:
        client.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);", SUPERUSER)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    baseimages.ensure([IMAGE, host.IMAGE])
    root = tmp_path_factory.mktemp("root")
    (root / "env").mkdir()
    (root / "env" / "local.env").write_text("DATABASE_URL=postgres://dbtest@db:5432/dbtest\n")
    compose = f"com.docker.compose.project={local.project(root)}"
    labels = ["--label", compose, "--label", "com.docker.compose.service=db"]
    with (
        started(*labels, variables=LOCAL),
        started("--label", SWARM, variables={"POSTGRES_PASSWORD": "hosts"}),
        host.serving(HOST, root) as there,
    ):
        yield environment(
            root=root, project=PROJECT, hosts=(there,), variables={"DATABASE_URL": URL}
        )


@pytest.fixture
def site(running: Environment) -> Environment:
    """Give an environment whose database holds one old row, and a local one that holds more."""
    ends = find(shell, running)
    source, target = Client(shell, ends.source), Client(shell, ends.target)
    source.query("DROP DATABASE IF EXISTS dbtest WITH (FORCE);", "template1")
    source.query("CREATE DATABASE dbtest;", "template1")
    source.query(content.BULK, "dbtest")
    forgotten(target, "dbtest", "dbtest__incoming", "dbtest__previous")
    with role.on_manager(shell, running) as psql:
        role.converge(psql, dsn.database(URL))
        psql.query(OLD, "dbtest")
    return running


def marker(site: Environment) -> str:
    client = Client(shell, find(shell, site).target)
    return client.query("SELECT text FROM marker;", "dbtest")[0][0]


def databases(site: Environment) -> list[str]:
    client = Client(shell, find(shell, site).target)
    return [name for (name,) in client.query("SELECT datname FROM pg_database ORDER BY 1;")]


def test_the_local_database_arrives(site: Environment) -> None:
    fields = push_db(site, Console(as_json=True))
    assert (fields["tables"], fields["rows"]) == (2, 200_001)
    assert marker(site) == "new"
    with role.on_manager(shell, site) as psql:
        assert role.differences(psql, dsn.database(URL)) == []


def test_a_connection_that_breaks_leaves_the_old_database(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[object] = []

    def cut_once(*progress: object) -> None:
        if not cut:
            cut.append(progress)
            shell.run(Command.of("docker", "exec", HOST, "pkill", "sshd-session"))

    monkeypatch.setattr("rich.progress.Progress.advance", cut_once)
    with pytest.raises(SlipwayError) as caught:
        push_db(site, Console(as_json=True))
    print(caught.value)
    assert cut
    assert "host1" in str(caught.value)
    assert marker(site) == "old"
    monkeypatch.undo()
    assert push_db(site, Console(as_json=True))["rows"] == 200_001
    assert "dbtest__incoming" not in databases(site)


def test_an_engine_that_stops_answering_is_told_in_one_line(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_client: docker.DockerClient) -> None:
        raise requests.ConnectionError("Remote end closed connection without response")

    monkeypatch.setattr(docker.DockerClient, "info", cut)
    with pytest.raises(HostError, match="host1: the engine stopped answering"):
        push_db(site, Console(as_json=True))
    assert marker(site) == "old"


def test_no_argument_shows_a_password(site: Environment) -> None:
    local = replace(find(shell, site).source, password=Secret("a-local-secret"))
    command = local.command(["psql"])
    assert not any("secret" in word for word in command.argv)
    assert command.env["PGPASSWORD"] == Secret("a-local-secret")


def test_no_container_shows_the_password_of_a_server_elsewhere(tmp_path: Path) -> None:
    address = dsn.database(Secret("postgres://me:a%3Amanaged%5Csecret@db.example.com/site"))
    with server.reached(shell, server.elsewhere(address, tmp_path)) as reached:
        command, kept = reached.command(["psql"]), Path(reached.secrets_file)
        assert kept.read_text() == f"{PASSFILE}\n"
        assert kept.stat().st_mode & 0o777 == 0o600
    assert not any("secret" in word for word in command.argv)
    assert command.env == {}
    assert not kept.exists()


def test_a_site_that_does_not_run_here_is_refused(running: Environment, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"env/local\.env: DATABASE_URL is missing"):
        find(shell, replace(running, root=tmp_path))
    (tmp_path / "env").mkdir()
    shutil.copy(running.root / "env" / "local.env", tmp_path / "env")
    with pytest.raises(DatabaseError, match="the local database: does not run"):
        find(shell, replace(running, root=tmp_path))


def test_hosts_without_the_service_are_named(running: Environment) -> None:
    pattern = re.escape(f"host1: no container of the service {PROJECT}-live-services_db runs")
    with (
        pytest.raises(DatabaseError, match=pattern),
        role.on_manager(shell, replace(running, name="live")),
    ):
        pass


def test_a_database_elsewhere_is_reached_from_the_host_without_showing_its_password(
    running: Environment,
) -> None:
    options = "sslmode=verify-full&sslrootcert=/app/authorities.pem"
    url = Secret(f"postgres://me:a%3Amanaged%5Csecret@db.example.com/site?{options}")
    (running.root / "app").mkdir()
    (running.root / "app" / "authorities.pem").write_text("certificates\n")
    found = find_target(shell, replace(running, variables={"DATABASE_URL": url})).target
    assert (found.where, found.user, found.host) == ("db.example.com", "me", running.manager)
    with server.reached(shell, found) as reached:
        words = reached.command(["psql"]).argv
        assert host_says(running, "cat", reached.secrets_file) == PASSFILE
        assert host_says(running, "stat", "--format=%a", reached.secrets_file) == "600"
        assert host_says(running, "cat", reached.root_file) == "certificates"
        left = "/dev/shm/slipway-0123456789abcdef.pgpass"
        host_says(running, "touch", "--date=2 days ago", left)
    with server.reached(shell, found):
        assert "0123456789abcdef" not in host_says(running, "ls", "/dev/shm")
    assert not any("managed" in word for word in words)
    assert "PGSSLMODE=verify-full" in words[-1]
    assert "slipway-" not in host_says(running, "ls", "/dev/shm")


def host_says(running: Environment, *words: str) -> str:
    return ssh.run(shell, running.manager, *words, check=False).stdout.strip()
