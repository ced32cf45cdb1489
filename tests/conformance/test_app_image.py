"""The app's image does what the stack file and the roll-out rely on. Needs a Docker engine."""

import dataclasses
import http.client
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slipway import baseimages, envfile, local
from slipway.buildkit import package_index
from slipway.command import Command, Shell

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {
    "SITE_URL": "https://example.com",
    "DOMAIN": "example.com",
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "sqlite:////tmp/test.db",
    "DEFAULT_STORAGE_DSN": "file:///data/media/?url=%2Fmedia%2F",
}
NO_SERVER = "s3://K:S@b.127.0.0.1:9/?endpoint=http%3A%2F%2F127.0.0.1%3A9&auth=s3v4"
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--tmpfs", "/data:uid=1000", "--cap-drop", "ALL")
LAYERS = "{{json .RootFS.Layers}}"
CHANGED = "slipway-test-changed"
shell = Shell()


def docker(*words: str, check: bool = True) -> str:
    result = shell.run(Command.of("docker", *words), check=check)
    return result.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    baseimages.ensure(["python:3.13-slim-trixie"])
    shell.run(local.build_command(ROOT, package_index()))


class Container:
    def __init__(self, **variables: str) -> None:
        options = [word for item in variables.items() for word in ("--env", "=".join(item))]
        publish = ("--publish", "127.0.0.1::8000", "--health-interval", "1s")
        self.id = docker("run", "--detach", *HARDENED, *publish, *options, local.IMAGE)
        self.port = int(docker("port", self.id, "8000/tcp").rpartition(":")[2])

    def ask(self, path: str = "/healthz") -> tuple[int, str]:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        server.request("GET", path)
        response = server.getresponse()
        return response.status, response.read().decode()

    def inspect(self, field: str) -> str:
        return docker("inspect", "--format", "{{" + field + "}}", self.id)


@pytest.fixture
def start() -> Iterator[Callable[..., Container]]:
    started: list[Container] = []

    def _start(**changed: str) -> Container:
        started.append(Container(**{**VARIABLES, **changed}))
        return started[-1]

    yield _start
    for container in started:
        docker("rm", "--force", container.id)


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.2)


def answers(container: Container) -> bool:
    try:
        return container.ask("/livez")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_hardened_container_becomes_healthy(start: Callable[..., Container]) -> None:
    container = start()
    until(lambda: container.inspect(".State.Health.Status") == "healthy")
    status, body = container.ask()
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert docker("exec", container.id, "id", "--user") == "1000"


def test_any_value_of_the_env_file_is_what_the_app_reads(tmp_path: Path) -> None:
    values = ["it's $5 #1", "two\nlines\n", "cr\r\nlf", ' " ', "\\n", "Grüße 🌍", "$HOME ${A}", "",
              "a=b", "'", "back\\", "#", "\u2028\u0085\t "]  # fmt: skip
    text = ""
    for number, value in enumerate(values):
        text = envfile.put(text, f"VALUE_{number}", value)
    path = tmp_path / "env"
    envfile.write(path, text)
    path.chmod(0o644)
    script = (
        "import json, os; from cloud.env import load_env_file; load_env_file();"
        "found = [n for n in os.environ if n.startswith('VALUE_')];"
        "print(json.dumps([os.environ[f'VALUE_{n}'] for n in range(len(found))]))"
    )
    mount = ("--volume", f"{path}:/run/secrets/env:ro")
    read = docker("run", "--rm", *HARDENED, *mount, local.IMAGE, "python", "-c", script)
    assert json.loads(read) == values


def test_storage_that_cannot_be_reached_keeps_a_container_from_being_healthy(
    start: Callable[..., Container],
) -> None:
    container = start(DEFAULT_STORAGE_DSN=NO_SERVER)
    until(lambda: answers(container))
    status, body = container.ask()
    assert (status, json.loads(body)["storage"]) == (503, "EndpointConnectionError")
    probe = ("exec", container.id, "bash", "cloud/probe.sh")
    assert shell.run(Command.of("docker", *probe), check=False).code == 1


def test_a_stopping_container_serves_on_and_then_ends_well(
    start: Callable[..., Container],
) -> None:
    container = start()
    until(lambda: answers(container))
    begin = time.monotonic()
    docker("kill", "--signal", "TERM", container.id)
    while time.monotonic() < begin + 2.5:
        assert container.ask("/livez")[0] == 200
    until(lambda: container.inspect(".State.Status") == "exited")
    assert container.inspect(".State.ExitCode") == "0"


def test_the_image_holds_no_tests_no_compiler_no_pip_and_no_variables() -> None:
    found = docker("run", "--rm", local.IMAGE, "find", "/app", "/venv/bin", "-name", "tests",
                   "-o", "-name", "pip*", "-o", "-name", "*.env")  # fmt: skip
    assert found == ""
    environment = docker("image", "inspect", "--format", "{{json .Config.Env}}", local.IMAGE)
    assert not [name for name in VARIABLES if name in environment]
    assert int(docker("image", "inspect", "--format", "{{.Size}}", local.IMAGE)) < 250e6


def layers(image: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file of each layer of an image, with its content."""
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as outer:
        manifest = json.load(outer.extractfile("manifest.json") or io.BytesIO())
        for name in manifest[0]["Layers"]:
            layer = outer.extractfile(name)
            assert layer
            with tarfile.open(fileobj=io.BytesIO(layer.read())) as inner:
                for member in inner:
                    content = inner.extractfile(member) if member.isfile() else None
                    yield member.name, content.read() if content else b""


def test_no_layer_holds_data_env_files_or_what_the_build_was_lent() -> None:
    index = package_index()
    lent = [secret.reveal().encode() for secret in index.values()]
    count = 0
    for name, content in layers(local.IMAGE):
        count += 1
        assert not name.startswith(("data/", "run/ca.pem", "run/index", "root/.cache")), name
        assert not name.endswith((".env", ".pem.key", "Dockerfile")), name
        assert not [secret for secret in lent if secret in content], name
    assert count > 1000


def diff_ids(image: str = local.IMAGE) -> list[str]:
    return list(json.loads(docker("image", "inspect", "--format", LAYERS, image)))


def test_the_same_input_gives_the_same_layers() -> None:
    first = diff_ids()
    for path in (ROOT / "app" / "manage.py", ROOT / "app" / "myapp" / "urls.py"):
        os.utime(path)
    command = local.build_command(ROOT, package_index())
    place = command.argv.index("build") + 1
    anew = "--no-cache-filter=static,code,user"
    argv = (*command.argv[:place], anew, *command.argv[place:])
    shell.run(dataclasses.replace(command, argv=argv))
    assert diff_ids() == first


def test_a_changed_line_changes_one_layer_alone(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "app" / "uploader" / "views.py"
    path.write_text(path.read_text() + "# one more line\n")
    command = local.build_command(tmp_path, package_index())
    argv = tuple(CHANGED if word == local.IMAGE else word for word in command.argv)
    try:
        shell.run(dataclasses.replace(command, argv=argv))
        assert len(set(diff_ids(CHANGED)) - set(diff_ids())) == 1
    finally:
        shell.run(Command.of("docker", "image", "rm", "--force", CHANGED), check=False)


def test_the_image_says_where_it_comes_from() -> None:
    labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", local.IMAGE)
    assert {f"org.opencontainers.image.{name}" for name in ("version", "revision", "created")} <= (
        set(json.loads(labels))
    )
