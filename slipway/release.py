"""Name a release and tell whether it is the one that runs (pure)."""

import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from slipway.errors import DeployError

NAME_LABEL = "slipway.release"
FINGERPRINT_LABEL = "slipway.fingerprint"
NAME = re.compile(r"\d{8}-\d{6}-[0-9a-z]+(-dirty)?")
SAID = re.compile(r"^release: (\{.*\})$", re.MULTILINE)
WAITED = "a lock was not free"
APPLIED = re.compile(r"Applying (\S+?)\.\.\.\s+OK")


@dataclass(frozen=True, slots=True)
class Revision:
    """Hold where the code comes from: a commit's short hash, and whether files differ from it."""

    commit: str = "nogit"
    dirty: bool = False

    def __str__(self) -> str:
        return f"{self.commit}-dirty" if self.dirty else self.commit


@dataclass(frozen=True, slots=True)
class Release:
    """Hold what is rolled out: image, env file and stack file, under one name."""

    project: str
    name: str
    revision: str
    image_id: str
    secret: str
    fingerprint: str

    @property
    def image(self) -> str:
        """Return the image's name on the hosts: `<project>:<release>`."""
        return f"{self.project}:{self.name}"


def name(revision: Revision, now: float) -> str:
    """Name a release after its second (`now`, UTC) and its revision."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{revision}"


def secret_name(stack: str, content: bytes) -> str:
    """Name the secret that holds an env file; another content gets another name."""
    return f"{stack}-env-{hashlib.sha256(content).hexdigest()[:12]}"


def fingerprint(image_id: str, secret: str, stack_file: str, replicas: int) -> str:
    """Return what is equal for two releases exactly if nothing needs to be rolled out."""
    parts = json.dumps([image_id, secret, stack_file, replicas])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def applied(output: str) -> list[str]:
    """List the migrations that `migrate` reports as applied, such as `auth.0001_initial`."""
    return APPLIED.findall(output)


@dataclass(frozen=True, slots=True)
class Migration:
    """Hold the name of a migration to come, and what the running code cannot live with in it."""

    name: str
    unsafe: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the migration as one line for people."""
        return f"{self.name}: {'; '.join(self.unsafe)}" if self.unsafe else self.name


def pending(output: str) -> list[Migration]:
    """List the migrations that the release task says are to come; raises DeployError."""
    return [
        Migration(str(one["name"]), tuple(map(str, one["unsafe"])))
        for one in _said(output, "pending")
    ]


def unknown(output: str) -> list[str]:
    """List the migrations that the database has and the code of the task does not know.

    Raises DeployError.
    """
    return [str(name) for name in _said(output, "unknown")]


def remarks(output: str) -> list[str]:
    """List what of the release task's output people should see: waits, and further commands."""
    lines = [line for line in output.splitlines() if line.strip()]
    begins = [number for number, line in enumerate(lines) if line.startswith("manage.py ")]
    waits = [line for line in lines if line.startswith(WAITED)]
    return [*waits, *(lines[begins[0] :] if begins else [])]


def _said(output: str, what: str) -> list[Any]:
    found: dict[str, list[Any]] = {}
    for line in SAID.findall(output):
        found |= json.loads(line)
    if what not in found:
        # Silence is no answer: nothing unknown, or nothing pending, would be the wrong one.
        hint = "does the stack file let its log be read?"
        raise DeployError("the release", f"did not say which migrations are {what}", hint)
    return found[what]


def surplus(names: Iterable[str], in_use: Iterable[str], keep: int) -> list[str]:
    """List the releases beyond the newest `keep` that nothing uses."""
    releases = sorted(filter(NAME.fullmatch, names), reverse=True)
    return [one for one in releases[keep:] if one not in set(in_use)]
