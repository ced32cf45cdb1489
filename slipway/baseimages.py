"""Make base images exist on this machine: pulled where a registry answers, else built.

`python -m slipway.baseimages [NAME…]` makes some of them, or all.
"""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from slipway import debian
from slipway.buildkit import network_options, package_index
from slipway.command import Command, Shell
from slipway.console import Console, seconds
from slipway.errors import CommandError, ConfigurationError, SlipwayError

ROOT = Path(__file__).resolve().parent.parent
LABEL = "slipway.recipe"
STATE = ROOT / ".state" / "images"
FIRST_ANSWER_SECONDS = 20
NOT_THERE = ("not found", "manifest unknown", "denied", "unauthorized", "does not exist")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hold how an image is made: its folder in compose/images, and the images it starts from."""

    name: str
    folder: str
    parents: tuple[str, ...] = ()
    published: bool = True
    release: str = debian.RELEASE


DEBIAN = "debian:trixie-slim"
PYTHON = "python:3.13-slim-trixie"
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(DEBIAN, "debian"),
        Recipe(PYTHON, "python", (DEBIAN,)),
        Recipe("postgres:17-trixie", "postgres", (DEBIAN,)),
        Recipe("registry:2", "registry", (DEBIAN,)),
        Recipe("caddy:2", "caddy", (DEBIAN, PYTHON)),
        Recipe("slipway-sandbox-host", "sandbox-host", (DEBIAN,), published=False),
        Recipe("slipway-sandbox-s3", "sandbox-s3", (DEBIAN, PYTHON), published=False),
        Recipe("slipway-sandbox-azure", "sandbox-azure", (DEBIAN,), published=False),
        Recipe("slipway-radosgw", "radosgw", (DEBIAN,), published=False),
    )
}

OLD_DEBIAN = "debian:bookworm-slim"
# Hosts may run the release before; only tests need one.
FOR_TESTS = {
    recipe.name: recipe
    for recipe in (
        Recipe(OLD_DEBIAN, "debian", release="bookworm"),
        Recipe("slipway-sandbox-host-12", "sandbox-host", (OLD_DEBIAN,), False, release="bookworm"),
    )
}
KNOWN = RECIPES | FOR_TESTS


def ensure(
    names: Sequence[str], shell: Shell | None = None, console: Console | None = None
) -> None:
    """Make the named images exist on this machine, side by side, and say what was done.

    Raises ConfigurationError for an unknown name, SlipwayError where one cannot be made.
    """
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise ConfigurationError(
            unknown[0], "is not a known base image", f"known: {', '.join(RECIPES)}"
        )
    with ThreadPoolExecutor(max_workers=len(KNOWN)) as pool:
        maker = Maker(shell or Shell(), console or Console(), pool)
        for made in [maker.start(name) for name in names]:
            made.result()


def obtain(names: Sequence[str], shell: Shell, console: Console) -> None:
    """Make the named images exist on this machine; pull those without a recipe.

    Raises ConfigurationError where a registry does not give one, and what `ensure` raises.
    """
    for name in [name for name in names if name not in RECIPES]:
        _fetch(name, shell, console)
    ensure([name for name in names if name in RECIPES], shell, console)


def _fetch(name: str, shell: Shell, console: Console) -> None:
    if shell.run(Command.of("docker", "image", "inspect", name), check=False).code == 0:
        return
    begin = time.monotonic()
    result = shell.run(Command.of("docker", "pull", "--quiet", name), check=False)
    if result.code != 0:
        raise ConfigurationError(
            name, f"cannot be pulled: {result.last_words}", "check the image's name and the network"
        )
    console.say(f"{name:<24} pulled  {seconds(time.monotonic() - begin)}")


class Maker:
    """Make each image once, whoever asks for it, parents first."""

    def __init__(self, shell: Shell, console: Console, pool: ThreadPoolExecutor) -> None:
        self.shell = shell
        self.console = console
        self.pool = pool
        self.offline = False
        self._lock = threading.Lock()
        self._started: dict[str, Future[None]] = {}

    def start(self, name: str) -> Future[None]:
        """Begin to make an image, or join whoever began already."""
        with self._lock:
            if name not in self._started:
                self._started[name] = self.pool.submit(self._make, KNOWN[name])
            return self._started[name]

    def _make(self, recipe: Recipe) -> None:
        begin = time.monotonic()
        if self._is_current(recipe):
            return
        if recipe.published and self._pull(recipe.name):
            how = "pulled"
        else:
            for parent in [self.start(name) for name in recipe.parents]:
                parent.result()
            begin = time.monotonic()
            self._build(recipe)
            how = "built from packages"
        self.console.say(f"{recipe.name:<24} {how}  {seconds(time.monotonic() - begin)}")

    def _is_current(self, recipe: Recipe) -> bool:
        """Tell whether the image is there: pulled, or built from the recipe as it is now."""
        query = '{{with .Config.Labels}}{{index . "' + LABEL + '"}}{{end}}'
        command = Command.of("docker", "image", "inspect", "--format", query, recipe.name)
        result = self.shell.run(command, check=False)
        label = result.stdout.strip()
        if result.code != 0:
            return False
        return label == fingerprint(recipe) or (recipe.published and not label)

    def _pull(self, name: str) -> bool:
        """Pull an image; the first time that no registry answers is the last time we ask."""
        if self.offline:
            return False
        process = self.shell.start(Command.of("docker", "pull", name))
        deadline = threading.Timer(FIRST_ANSWER_SECONDS, process.kill)
        deadline.start()
        if process.stdout is not None:
            process.stdout.readline()
        deadline.cancel()
        said = process.communicate()[1].decode(errors="replace").lower()
        if process.returncode != 0 and not any(words in said for words in NOT_THERE):
            self.offline = True
        return process.returncode == 0

    def _build(self, recipe: Recipe) -> None:
        folder = ROOT / "compose" / "images" / recipe.folder
        STATE.mkdir(parents=True, exist_ok=True)
        if recipe.folder == "debian":
            self._import_debian(recipe, folder)
            return
        env = package_index() if PYTHON in recipe.parents else {}
        words = ["--label", f"{LABEL}={fingerprint(recipe)}", "--tag", recipe.name]
        if recipe.release != debian.RELEASE:
            words += ["--build-arg", f"BASE={recipe.parents[0]}"]
        words += ["--progress", "plain", *network_options({**os.environ, **env})]
        command = Command.of("docker", "buildx", "build", "--load", *words, folder, env=env)
        self._run_logged(recipe, command)

    def _import_debian(self, recipe: Recipe, folder: Path) -> None:
        tar = STATE / f"{recipe.release}.tar"
        changes = ("--change", f"LABEL {LABEL}={fingerprint(recipe)}", "--change", 'CMD ["bash"]')
        try:
            self._run_logged(recipe, debian.bootstrap(self.shell, folder, tar, recipe.release))
            self._run_logged(recipe, Command.of("docker", "import", *changes, tar, recipe.name))
        finally:
            tar.unlink(missing_ok=True)

    def _run_logged(self, recipe: Recipe, command: Command) -> None:
        result = self.shell.run(command, check=False)
        if result.code != 0:
            log = STATE / f"{recipe.folder}.log"
            log.write_text(result.stdout + result.stderr)
            raise CommandError(
                recipe.name,
                f"cannot be built: {result.last_words}",
                f"all of it is in {log}",
            )


def fingerprint(recipe: Recipe) -> str:
    """Return a hash of the recipe's files and of those of its parents."""
    digest = hashlib.sha256(b"" if recipe.release == debian.RELEASE else recipe.release.encode())
    for parent in recipe.parents:
        digest.update(fingerprint(KNOWN[parent]).encode())
    folder = ROOT / "compose" / "images" / recipe.folder
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def main(names: Sequence[str]) -> int:
    """Make the named images, or all of them; return the exit code."""
    try:
        ensure(names or list(RECIPES))
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
