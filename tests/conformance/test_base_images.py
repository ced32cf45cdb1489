"""Images built from Debian packages keep the promises of the official ones."""

import time
from collections.abc import Callable, Iterator

import pytest

from slipway import baseimages
from slipway.command import Command, Result, Shell

POSTGRES = "postgres:17-trixie"
PASSWORD = "p'a\"s$s"
VERSION = "import venv, ensurepip, ssl, sys; print(sys.version_info[:2])"
shell = Shell()


def docker(*words: str, check: bool = True) -> Result:
    return shell.run(Command.of("docker", *words), check=check)


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    baseimages.ensure(list(baseimages.RECIPES))


@pytest.fixture
def volume() -> Iterator[str]:
    name = docker("volume", "create").stdout.strip()
    yield name
    docker("volume", "rm", name)


@pytest.fixture
def start(volume: str) -> Iterator[Callable[..., str]]:
    started: list[str] = []

    def _start(*words: str) -> str:
        mount = f"{volume}:/var/lib/postgresql/data"
        settings = ("-e", "POSTGRES_USER=me", "-e", "POSTGRES_DB=my-db", *words)
        run = docker("run", "--detach", "--volume", mount, *settings, POSTGRES)
        started.append(run.stdout.strip())
        return started[-1]

    yield _start
    for container in started:
        docker("rm", "--force", "--volumes", container)


def until_ready(container: str) -> None:
    deadline = time.monotonic() + 60
    probe = ("exec", container, "pg_isready", "--quiet", "--host", "127.0.0.1")
    while docker(*probe, check=False).code != 0:
        assert time.monotonic() < deadline, docker("logs", container).stderr
        time.sleep(0.05)


def query(container: str, sql: str, *words: str) -> str:
    psql = ("psql", "--no-psqlrc", "-w", "-U", "me", "-d", "my-db", "-Atc", sql, *words)
    return docker("exec", "-e", f"PGPASSWORD={PASSWORD}", container, *psql).stdout.strip()


def test_postgres_that_answers_has_its_database_and_asks_strangers_for_the_password(
    start: Callable[..., str],
) -> None:
    container = start("-e", f"POSTGRES_PASSWORD={PASSWORD}")
    until_ready(container)
    who = "select current_user, current_setting('server_version_num')::int / 10000"
    assert query(container, who, "-h", "127.0.0.1") == "me|17"
    assert query(container, "show server_encoding") == "UTF8"
    other = (
        "exec",
        container,
        "psql",
        "-w",
        "-h",
        "127.0.0.1",
        "-U",
        "me",
        "-d",
        "my-db",
        "-c",
        "",
    )
    refused = docker(*other, check=False)
    assert refused.code != 0
    assert "no password supplied" in refused.stderr
    assert docker("exec", container, "stat", "-c", "%u", "/proc/1").stdout.strip() == "999"


def test_postgres_killed_at_its_first_start_is_whole_at_the_next(
    start: Callable[..., str],
) -> None:
    trust = ("-e", "POSTGRES_HOST_AUTH_METHOD=trust")
    for delay in (0.2, 0.6, 1.0):
        container = start(*trust)
        time.sleep(delay)
        docker("kill", container)
    container = start(*trust)
    until_ready(container)
    assert query(container, "select 1") == "1"


def test_postgres_keeps_its_data_and_stops_at_once(start: Callable[..., str]) -> None:
    container = start("-e", "POSTGRES_HOST_AUTH_METHOD=trust")
    until_ready(container)
    query(container, "create table t as select 42 as answer")
    begin = time.monotonic()
    docker("stop", container)
    assert time.monotonic() - begin < 8
    state = docker("inspect", "--format", "{{.State.ExitCode}}", container)
    assert state.stdout.strip() == "0"
    docker("start", container)
    until_ready(container)
    assert query(container, "select answer from t") == "42"


def test_postgres_reads_its_password_from_a_file(start: Callable[..., str]) -> None:
    container = start("-e", "POSTGRES_PASSWORD_FILE=/etc/hostname", "--hostname", "from-file")
    until_ready(container)
    psql = ("psql", "-w", "-h", "127.0.0.1", "-U", "me", "-d", "my-db", "-Atc", "select 1")
    found = docker("exec", "-e", "PGPASSWORD=from-file", container, *psql)
    assert found.stdout.strip() == "1"


def test_postgres_without_a_password_refuses_to_start() -> None:
    refused = docker("run", "--rm", POSTGRES, check=False)
    assert refused.code != 0
    assert "POSTGRES_PASSWORD" in refused.stderr


@pytest.mark.parametrize(
    ("image", "said", "command"),
    [
        ("debian:trixie-slim", "13", ["cat", "/etc/debian_version"]),
        ("python:3.13-slim-trixie", "(3, 13)", ["python", "-c", VERSION]),
        ("python:3.13-slim-trixie", "Python 3.13", ["python3", "--version"]),
        ("caddy:2", "v2.", ["caddy", "version"]),
        ("registry:2", "registry", ["registry", "--version"]),
    ],
)
def test_programs_are_where_the_official_images_have_them(
    image: str, said: str, command: list[str]
) -> None:
    program, *words = command
    found = docker("run", "--rm", "--entrypoint", program, image, *words)
    assert said in found.stdout


@pytest.mark.parametrize("image", baseimages.RECIPES)
def test_no_image_holds_package_lists_host_keys_or_this_networks_authorities(image: str) -> None:
    lists = "ls -d / /var/lib/apt/lists/*_* /var/cache/apt/*.bin /etc/ssh/ssh_host_*"
    look = f"({lists}; cat /run/ca.pem) 2>/dev/null; true"
    found = docker("run", "--rm", "--entrypoint", "sh", image, "-c", look)
    assert found.stdout == "/\n"
