"""Look at this machine: engine, programs and their versions, disk, virtual environment."""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from slipway import engine
from slipway.command import Command, Shell
from slipway.console import size
from slipway.errors import CommandError
from slipway.findings import Finding, State

GROUP = "This machine"
BOOTSTRAP = "run scripts/bootstrap.sh"
SECONDS = 20.0
# An image of the site, its base image and what BuildKit keeps of them.
LEAST_FREE = 3_000_000_000
ENGINE = (20, 10)
LOCKS = ("requirements.txt", "requirements-dev.txt")
# What is asked for its version, and the oldest that will do.
PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[int, int]]] = {
    "Compose": (("docker", "compose", "version", "--short"), (2, 0)),
    "buildx": (("docker", "buildx", "version"), (0, 10)),
    "ssh": (("ssh", "-V"), (8, 0)),
    "git": (("git", "--version"), (2, 0)),
}
VERSION = re.compile(r"(\d+)\.(\d+)[\w.+~-]*")


def docker() -> Iterator[Finding]:
    """Ask the engine of this machine; raises SlipwayError where none answers."""
    with engine.local() as here:
        info = here.client.info()
        version = str(info["ServerVersion"])
        state, hint = _old(version, ENGINE)
        text = f"{version}, storage {info['Driver']}, {info['Architecture']}"
        yield Finding(GROUP, "engine", state, text, hint)
        folder = Path(str(info["DockerRootDir"]))
    if folder.is_dir():
        yield disk(folder)


def program(shell: Shell, name: str) -> list[Finding]:
    """Ask a program for its version; one that is missing is a finding."""
    argv, oldest = PROGRAMS[name]
    try:
        result = shell.run(Command.of(*argv), check=False, timeout=SECONDS)
    except CommandError as error:
        return [Finding(GROUP, name, "fail", error.what, BOOTSTRAP)]
    found = VERSION.search(result.stdout or result.stderr)
    if result.code != 0 or not found:
        return [Finding(GROUP, name, "fail", f"does not work: {result.last_words}", BOOTSTRAP)]
    state, hint = _old(found[0], oldest)
    return [Finding(GROUP, name, state, found[0], hint)]


def disk(folder: Path) -> Finding:
    """Judge how much room there is for images."""
    free = shutil.disk_usage(folder).free
    state: State = "ok" if free >= LEAST_FREE else "fail"
    hint = "" if state == "ok" else "'docker system prune' makes room, if nobody needs what goes"
    return Finding(GROUP, "disk", state, f"{size(free)} free in {folder}", hint)


def python(root: Path, running: tuple[int, ...] = sys.version_info[:3]) -> list[Finding]:
    """Compare Python and the virtual environment with what the locks ask for."""
    version = ".".join(str(part) for part in running)
    if running < (3, 11):
        return [Finding(GROUP, "Python", "fail", f"{version} is too old", "install 3.11 or later")]
    if not _is_current(root):
        text = f"{version}, but .venv is not what the locks ask for"
        return [Finding(GROUP, "Python", "warn", text, BOOTSTRAP)]
    return [Finding(GROUP, "Python", "ok", f"{version}, .venv as locked")]


def _is_current(root: Path) -> bool:
    """Compare the stamp that scripts/lib/venv.sh leaves."""
    stamp = root / ".venv" / ".locks"
    if not stamp.is_file():
        return False
    uv = (root / "requirements-uv.txt").read_bytes()
    sums = {hashlib.sha256(uv + (root / lock).read_bytes()).hexdigest() for lock in LOCKS}
    return stamp.read_text(encoding="utf-8").split()[0] in sums


def _old(version: str, oldest: tuple[int, int]) -> tuple[State, str]:
    found = VERSION.search(version)
    if found and (int(found[1]), int(found[2])) >= oldest:
        return "ok", ""
    return "fail", f"{oldest[0]}.{oldest[1]} or later is needed: {BOOTSTRAP}"
