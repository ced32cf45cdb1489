"""Run the site on this machine: compose/local.yml, ./data, env/local.env."""

import hashlib
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from slipway import baseimages, dsn, envfile, local_storage
from slipway.build import cause
from slipway.buildkit import network_options, package_index
from slipway.command import Command, Shell
from slipway.console import Console
from slipway.errors import CommandError, ConfigurationError
from slipway.secrets import Secret, generate
from slipway.variables import SECRET_KEY_LENGTH

IMAGE = "slipway-local"
BASE_IMAGES = ("python:3.13-slim-trixie", "postgres:17-trixie")
URL = "http://localhost:8000"
DATABASE_URL = "postgres://site@db:5432/site"
MEDIA = dsn.FileDsn("/data/media", "/media/")
WAIT_SECONDS = 120
LINES_SHOWN = 12


def up(root: Path, console: Console, shell: Shell | None = None, storage: str = "") -> None:
    """Start the site: env file, ./data/media, images, containers, migrations.

    With `storage` it uses that environment's storage until the next start without. Raises
    CommandError where the image cannot be built or the site does not become healthy.
    """
    shell = shell or Shell()
    console.title("Starting the local site")
    prepare(root, console)
    network = _choose_storage(root, console, shell, storage)
    baseimages.ensure(BASE_IMAGES, shell, console)
    with console.step("build the image"):
        _build(root, console, shell)
    with console.step("start web and db until they are healthy"):
        _start(root, console, shell, network)
    with console.step("migrate"):
        shell.run(manage_command(root, "migrate --noinput"))
    console.say(f"{URL}  (admin: {URL}/admin/)")


def down(
    root: Path, console: Console, shell: Shell | None = None, *, volumes: bool = False
) -> None:
    """Stop the site; the database's volume stays without `volumes`, and ./data stays always.

    Raises Declined where nobody agrees to lose the database.
    """
    if volumes:
        console.confirm("Remove the local database of this checkout?")
    local_storage.switch_back(root)
    with console.step("stop the local site"):
        also = ("--volumes",) if volumes else ()
        (shell or Shell()).run(compose(root, "down", "--remove-orphans", *also))


def manage(root: Path, _: Console, command: str, shell: Shell | None = None) -> int:
    """Run a command of manage.py at this terminal and return its exit code.

    Raises ConfigurationError where the site is not running or a quote is not closed.
    """
    shell = shell or Shell()
    running = shell.run(compose(root, "ps", "--status", "running", "--quiet", "web"), check=False)
    if not running.stdout.strip():
        raise ConfigurationError("the local site", "is not running", "run 'invoke local.up'")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    process = shell.start(
        manage_command(root, command, terminal=terminal), stdin=0, stdout=1, stderr=2
    )
    return process.wait()


def prepare(root: Path, console: Console) -> None:
    """Make ./data/media and, at first use, env/local.env."""
    # Made here, for Docker would make it as root.
    (root / "data" / "media").mkdir(parents=True, exist_ok=True)
    path = root / "env" / "local.env"
    if not path.exists():
        envfile.write(path, envfile.render(root, values(), {}))
        console.say("env/local.env written")


def values() -> dict[str, str | Secret]:
    """Return the template's variables for this machine."""
    return {
        "stage": "local",
        "site_url": URL,
        "domain": "localhost",
        "domain_aliases": "127.0.0.1",
        "debug": "True",
        "secret_key": generate(SECRET_KEY_LENGTH),
        "database_url": DATABASE_URL,
        "default_storage_dsn": MEDIA.render(),
    }


def project(root: Path) -> str:
    """Return the compose project of a checkout: each has a database of its own."""
    return f"slipway-local-{hashlib.sha256(str(root).encode()).hexdigest()[:6]}"


def compose(root: Path, *words: str, network: str = "") -> Command:
    """Return `docker compose` for the local site, with what compose/local.yml asks for.

    `network` is the Docker network of a storage that runs on this machine.
    """
    names = ["local.yml", *(["local-network.yml"] if network else [])]
    files = [word for name in names for word in ("--file", root / "compose" / name)]
    options = ("--project-directory", root, *files)
    env_file = local_storage.env_file(root)
    env = {
        "COMPOSE_PROJECT_NAME": project(root),
        "SLIPWAY_UID": str(os.getuid()),
        "SLIPWAY_GID": str(os.getgid()),
        "SLIPWAY_ENV": _fingerprint(env_file),
        "SLIPWAY_ENV_FILE": str(env_file),
        "SLIPWAY_STORAGE_NETWORK": network,
    }
    return Command.of("docker", "compose", *options, *words, env=env)


def manage_command(root: Path, command: str, *, terminal: bool = False) -> Command:
    """Return the command that runs a command line of manage.py in the running site."""
    try:
        words = shlex.split(command)
    except ValueError:
        raise ConfigurationError("local.manage", "a quote is not closed", "close it") from None
    flags = () if terminal else ("--no-TTY",)
    return compose(root, "exec", *flags, "web", "python", "manage.py", *words)


def script(root: Path, code: str, *, stdin: bytes | Secret = b"") -> Command:
    """Return the command that runs Python code in the running site, Django set up."""
    command = compose(root, "exec", "--no-TTY", "web", "python", "manage.py", "shell", "-c", code)
    return replace(command, stdin=stdin)


def build_command(root: Path, index: Mapping[str, Secret]) -> Command:
    """Return the command that builds the image; nothing is sent where nothing changed."""
    options = network_options({**os.environ, **index})
    words = ("--load", "--tag", IMAGE, "--progress", "plain", *options)
    return Command.of("docker", "buildx", "build", *words, root / "app", env=index)


def _build(root: Path, console: Console, shell: Shell) -> None:
    result = shell.run(build_command(root, package_index()), check=False)
    if result.code != 0:
        for line in result.stderr.splitlines()[-LINES_SHOWN:]:
            console.warn(line)
        raise CommandError("the image", f"cannot be built: {cause(result)}", "mend it in app/")


def _choose_storage(root: Path, console: Console, shell: Shell, storage: str) -> str:
    if not storage:
        local_storage.switch_back(root)
        return ""
    return local_storage.network(shell, local_storage.switch(root, storage, console))


def _start(root: Path, console: Console, shell: Shell, network: str) -> None:
    wait = ("--detach", "--wait", "--wait-timeout", str(WAIT_SECONDS))
    try:
        shell.run(compose(root, "up", *wait, "--remove-orphans", network=network))
    except CommandError:
        logs = shell.run(compose(root, "logs", "--tail", "10", "--no-color"), check=False)
        for line in logs.stdout.splitlines():
            console.warn(line)
        raise


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""
