"""Deploy with what others use: `docker save` and compose, Kamal, and the bare engine."""

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import STATE, path_with
from bench.place import HOST, Place
from bench.probing import probing
from slipway import build, ssh
from slipway.command import Command
from slipway.console import Console
from slipway.engine import Engine

Counts = dict[str, object]
IMAGE = "bench-peer:latest"
COMPOSE_PORT = 8081
HEALTHY_SECONDS = 90.0
# All of a site that an image needs to be healthy, so that a peer need not set up more.
VARIABLES = {
    "SECRET_KEY": "only-for-the-benchmark-and-for-nothing-else-0123456789",
    "DATABASE_URL": "sqlite:////tmp/bench.sqlite3",
    "DEFAULT_STORAGE_DSN": "file:///data/media/?url=%2Fmedia%2F",
    "DOMAIN": "bench.localhost",
}


def build_image(place: Place, here: Engine) -> str:
    """Build the site's image as Slipway does, and return its id."""
    console = Console(as_json=True)
    return build.build(place.shell, console, here, place.root, ["--tag", IMAGE])


def bare_engine(place: Place, here: Engine) -> Counts:
    """Build and start the image on this machine's engine until it is healthy."""
    before = here.client.images.list(IMAGE)
    image = build_image(place, here)
    if any(one.id == image for one in before):
        return {}
    container = here.client.containers.run(image, detach=True, environment=VARIABLES)
    try:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while container.attrs["State"].get("Health", {}).get("Status") != "healthy":
            if time.monotonic() > deadline:
                raise RuntimeError("the image does not become healthy")
            time.sleep(0.1)
            container.reload()
    finally:
        container.remove(force=True)
    return {}


@dataclass
class Compose:
    """Pipe the whole image through SSH, then let compose replace the container."""

    place: Place
    here: Engine
    there: Engine
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = STATE / "compose.yml"
        lines = [f"      {name}: {value!r}" for name, value in VARIABLES.items()]
        text = f"services:\n  web:\n    image: {IMAGE}\n    pull_policy: never\n"
        text += f'    ports: ["{COMPOSE_PORT}:8000"]\n    environment:\n'
        self.file.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")

    def deploy(self) -> None:
        """Build, ship, and start until healthy."""
        build_image(self.place, self.here)
        shell, host = self.place.shell, self.place.environment.manager
        save = shell.start(Command.of("docker", "save", IMAGE), stderr=subprocess.DEVNULL)
        load = shell.start(ssh.remote(host, "docker", "load"), stdin=save.stdout)
        if save.stdout:
            # Only the other end of the pipe may keep it open.
            save.stdout.close()
        _, said = load.communicate()
        if load.returncode or save.wait():
            raise RuntimeError(f"docker load: {said.decode(errors='replace')}")
        self._compose("up", "--detach", "--wait", "--quiet-pull")

    def measured(self) -> Counts:
        """Deploy, and count bytes and requests that failed."""
        before = self.place.received()
        with probing(HOST, COMPOSE_PORT, "bench.localhost") as counts:
            self.deploy()
        return {"wire_bytes": self.place.received() - before, **counts}

    def remove(self) -> None:
        """Take the containers away."""
        self._compose("down", "--timeout", "1")

    def _compose(self, *words: str) -> None:
        project = ("--project-name", "bench-compose", "--file", self.file)
        self.place.shell.run(Command.of("docker", "compose", *project, *words, env=self.there.env))


@dataclass
class Kamal:
    """Deploy with Kamal through its registry on this machine; its proxy's image is not at hand."""

    place: Place
    here: Engine
    programs: Path

    def __post_init__(self) -> None:
        # The name under which Kamal starts its registry, which cannot be pulled everywhere.
        self.here.client.images.get("registry:2").tag("registry", "3")
        host = self.place.environment.manager
        folder = self.place.root / "config"
        folder.mkdir(exist_ok=True)
        (self.place.root / ".kamal").mkdir(exist_ok=True)
        (self.place.root / ".kamal" / "secrets").write_text("", encoding="utf-8")
        lines = [f"    {name}: {value!r}" for name, value in VARIABLES.items()]
        arch = build.PLATFORMS[self.here.client.info()["Architecture"]].removeprefix("linux/")
        places = {"address": host.address, "user": host.user, "key": host.identity_file}
        text = KAMAL.format(arch=arch, **places)
        (folder / "deploy.yml").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
        self._commit()

    def deploy(self) -> None:
        """Build, ship, and start until healthy."""
        self._commit()
        self._kamal("deploy", "--skip-hooks")

    def measured(self) -> Counts:
        """Deploy, and count bytes; without its proxy there is nothing to send requests to."""
        before = self.place.received()
        self.deploy()
        return {"wire_bytes": self.place.received() - before}

    def remove(self) -> None:
        """Take containers and images away, and the registry that Kamal leaves here."""
        self._kamal("remove", "--confirmed", check=False)
        leave = Command.of("docker", "rm", "--force", "--volumes", "kamal-docker-registry")
        self.place.shell.run(leave, check=False)

    def _commit(self) -> None:
        """Give the version a name: Kamal takes it from git."""
        git = (
            "git",
            "-C",
            self.place.root,
            "-c",
            "user.name=bench",
            "-c",
            "user.email=b@localhost",
        )
        shell = self.place.shell
        if not (self.place.root / ".git").is_dir():
            shell.run(Command.of("git", "init", "--quiet", self.place.root))
        shell.run(Command.of(*git, "add", "--all"))
        shell.run(Command.of(*git, "commit", "--quiet", "--message", "Change"), check=False)

    def _kamal(self, *words: str, check: bool = True) -> None:
        home = STATE / "home"
        home.mkdir(exist_ok=True)
        env = {"PATH": path_with(self.programs), "HOME": str(home), "DOCKER_CONFIG": _docker()}
        program = self.programs / "kamal"
        self.place.shell.run(Command.of(program, *words, env=env, cwd=self.place.root), check=check)


def _docker() -> str:
    return os.environ.get("DOCKER_CONFIG", str(Path("~/.docker").expanduser()))


KAMAL = """service: bench-kamal
image: bench-kamal
servers:
  web:
    hosts: [{address}]
    proxy: false
registry:
  server: localhost:5555
builder:
  arch: {arch}
  driver: docker
  context: app
  dockerfile: app/Dockerfile
ssh:
  user: {user}
  keys: [{key}]
  keys_only: true
env:
  clear:
"""
