"""Build the app's image with BuildKit."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from slipway import baseimages
from slipway.buildkit import network_options, package_index
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import CommandError, DeployError
from slipway.release import Revision

CONTEXT = "app"
DOCKERFILE = "app/Dockerfile"
REVISION_LABEL = "org.opencontainers.image.revision"
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
# "#12 1.234 NameError: …", as BuildKit prints what a program says.
ERROR = re.compile(r"^#\d+ [\d.]+ (\w*(?:Error|Exception|ERROR)\b.*)$", re.MULTILINE)
LINES_SHOWN = 25


PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


def build(
    shell: Shell, console: Console, engine: Engine, root: Path, options: Sequence[str]
) -> str:
    """Build the image on this machine's engine and return its id; raises DeployError.

    `options` are more options of `docker buildx build`.
    """
    used = base_images((root / DOCKERFILE).read_text(encoding="utf-8"))
    baseimages.ensure([name for name in used if name in baseimages.RECIPES], shell, console)
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        id_file = Path(folder) / "id"
        network = package_index()
        more = [*options, *network_options({**os.environ, **network})]
        words = command(root, more, id_file)
        env: Mapping[str, object] = {**network, **engine.env}
        result = shell.run(Command.of(*words, env=env), check=False)
        if result.code != 0:
            _show(console, result.stderr)
            raise DeployError(
                "the image", f"cannot be built: {cause(result)}", "the old release goes on serving"
            )
        return id_file.read_text().strip()


def cause(result: Result) -> str:
    """Return why a build failed: the last error that a program in it named (pure)."""
    named = ERROR.findall(result.stderr)
    return named[-1] if named else result.last_words


def command(root: Path, options: Sequence[str], id_file: Path) -> list[str]:
    """Return the command that builds the image and writes its id into a file (pure)."""
    words = ["docker", "buildx", "build", "--load", "--progress=plain", "--provenance=false"]
    words += ["--iidfile", str(id_file), *options]
    return [*words, "--file", str(root / DOCKERFILE), str(root / CONTEXT)]


def label(revision: Revision) -> list[str]:
    """Return the option that writes the revision into the image (pure)."""
    return ["--label", f"{REVISION_LABEL}={revision}"]


def platform(here: str, there: str) -> list[str]:
    """Return the option that builds for hosts of another architecture than this one (pure).

    Both are named as an engine names its own, such as `x86_64`.
    """
    return ["--platform", PLATFORMS[there]] if there != here and there in PLATFORMS else []


def base_images(dockerfile: str) -> list[str]:
    """List the images that a Dockerfile starts from, each once; its own stages are none (pure)."""
    stages = FROM.findall(dockerfile)
    own = {name for _, name in stages}
    return list(dict.fromkeys(image for image, _ in stages if image not in own))


def revision(shell: Shell, root: Path, *paths: str) -> Revision:
    """Read from git which commit last changed these paths; without git, `nogit`."""
    git = ["git", "-C", str(root)]
    try:
        log = shell.run(Command.of(*git, "log", "-1", "--format=%h", "--", *paths), check=False)
        status = shell.run(Command.of(*git, "status", "--porcelain", "--", *paths), check=False)
    except CommandError:
        return Revision()
    if log.code != 0 or not log.stdout.strip():
        return Revision()
    return Revision(log.stdout.strip(), bool(status.stdout.strip()))


def _show(console: Console, output: str) -> None:
    for line in output.splitlines()[-LINES_SHOWN:]:
        console.err.print(f"    {line}", markup=False)
