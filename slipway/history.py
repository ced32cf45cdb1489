"""Keep what was rolled out on the hosts themselves: each deploy is a Swarm config of its own."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from slipway import swarm
from slipway.engine import Engine

LABEL = "slipway.record-of"
KEEP, KEEP_GOOD = 40, 10
SERVES = "serves"
ROTATE = "rotate-keys"
# A config's name holds 64 characters.
LONGEST_STACK = 34


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one deploy or rollback: by whom and when, what was shipped, and how it ended.

    With stack file and variables, the release can be rolled out once more as it was.
    """

    release: str
    image: str
    secret: str
    revision: str
    who: str
    when: str
    action: str = "deploy"
    outcome: str = SERVES
    seconds: float = 0
    bytes_shipped: int = 0
    stack_file: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Return whether the release came to serve."""
        return self.outcome == SERVES

    def fields(self) -> dict[str, object]:
        """Return what is shown to people and printed as JSON."""
        commit = self.revision.removesuffix("-dirty")
        return {
            "release": self.release,
            "action": self.action,
            "when": self.when,
            "who": self.who,
            "revision": commit,
            "dirty": commit != self.revision,
            "seconds": self.seconds,
            "bytes_shipped": self.bytes_shipped,
            "outcome": self.outcome,
        }


def now() -> str:
    """Return the time for a record, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write(engine: Engine, stack: str, record: Record) -> None:
    """Add a record, and drop the oldest ones beyond KEEP; what served last is never dropped."""
    name = f"{stack[:LONGEST_STACK]}-record-{time.time_ns():x}-{secrets.token_hex(2)}"
    data = base64.b64encode(json.dumps(asdict(record)).encode()).decode()
    body = {"Name": name, "Data": data, "Labels": {LABEL: stack}}
    swarm.call(engine, "POST", "/configs/create", body)
    found = _configs(engine, stack)
    last = [one["ID"] for one in found if _record(one).good][:KEEP_GOOD]
    for old in found[KEEP:]:
        if old["ID"] not in last:
            swarm.call(engine, "DELETE", f"/configs/{old['ID']}")


def read(engine: Engine, stack: str) -> list[Record]:
    """Return the records of a stack, the newest first."""
    return [_record(one) for one in _configs(engine, stack)]


def kept(records: list[Record], keep: int) -> list[Record]:
    """Return the releases deployed last that came to serve, each once (pure).

    A release that got a new key of the storage later is the one with that key.
    """
    good = [one for one in records if one.good and one.stack_file]
    renewed = {one.release: one for one in reversed(good) if one.action in {"deploy", ROTATE}}
    return [renewed[one.release] for one in good if one.action == "deploy"][:keep]


def path(records: list[Record]) -> list[str]:
    """Name the releases that led to the present one, the oldest first (pure).

    What was rolled back from led nowhere.
    """
    found: list[str] = []
    for one in reversed([one for one in records if one.good and one.stack_file]):
        if one.action == "rollback" and one.release in found:
            del found[found.index(one.release) + 1 :]
        elif one.action != ROTATE:
            found.append(one.release)
    return found


def key_replaced(records: list[Record], record: Record) -> bool:
    """Return whether the storage's key was replaced after a release of before had it (pure)."""
    later = records[: records.index(record)]
    return any(one.action == ROTATE and one.good for one in later)


def releases_kept(engine: Engine, project: str, keep: int) -> set[str]:
    """Name the releases that any environment of a project on this Swarm may go back to."""
    found = swarm.call(engine, "GET", "/configs", filters={"label": [LABEL]})
    stacks = {one["Spec"]["Labels"].get(LABEL) for one in found} - {None}
    records = [one for stack in stacks for one in kept(read(engine, stack), keep)]
    return {one.release for one in records if one.image.startswith(f"{project}:")}


def _record(config: swarm.Json) -> Record:
    return Record(**json.loads(base64.b64decode(config["Spec"]["Data"])))


def _configs(engine: Engine, stack: str) -> list[swarm.Json]:
    found = swarm.call(engine, "GET", "/configs", filters={"label": [f"{LABEL}={stack}"]})
    own = [one for one in found if one["Spec"]["Labels"].get(LABEL) == stack]
    # By the Swarm's own count of changes: no clock has a say in what came first.
    return sorted(own, key=lambda one: int(one["Version"]["Index"]), reverse=True)
