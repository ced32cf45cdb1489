"""Let one deploy or database push at a time change an environment; a killed one loses its turn.

The lease is a Swarm config: creating one is atomic, every manager knows it, and its holder keeps
renewing it. Whoever was silent for too long finds it taken, and is refused at its next step.
"""

import base64
import getpass
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import Event, Thread

from docker.errors import APIError, DockerException, NotFound
from requests import RequestException

from slipway import process, swarm
from slipway.engine import Engine, refusals
from slipway.errors import DeployError, HostError

BEAT_SECONDS = 5.0
GLANCE_SECONDS = 1.0
EXPIRES = timedelta(seconds=30)
OWNER = "slipway.owner"
REASON = "slipway.reason"
PROCESS = "slipway.process"
BEATS = "slipway.beats"
CONFLICT = 409


class Lease:
    """Hold one lease by the ID of its config: another owner's has the same name."""

    def __init__(self, engine: Engine, name: str, own: str) -> None:
        self._engine = engine
        self._name = name
        self._own = own
        self._seen = 0.0

    def glance(self) -> None:
        """Check once a second at most: for loops that wait."""
        if time.monotonic() - self._seen > GLANCE_SECONDS:
            self.check()

    def check(self) -> None:
        """Raise DeployError where somebody else has taken the lease meanwhile."""
        with refusals(self._engine):
            found = _find(self._engine, self._name)
        if not self._is_own(found):
            owner = found["Spec"]["Labels"].get(OWNER, "somebody") if found else "somebody"
            what = f"{owner} took over, since this run was silent for too long"
            raise DeployError(self._engine.name, what, "nothing more was touched; run it again")
        self._seen = time.monotonic()

    @property
    def lost(self) -> bool:
        """Return whether somebody else is known to have taken the lease."""
        try:
            self.check()
        except DeployError:
            return True
        except (ConnectionError, HostError, DockerException, RequestException):
            return False
        return False

    def renew(self, stop: Event) -> None:
        """Show that the owner lives, until it is told to stop or has lost the lease."""
        beats = 0
        while not stop.wait(BEAT_SECONDS):
            beats += 1
            with suppress(DockerException, RequestException):
                found = _find(self._engine, self._name)
                if not found or not self._is_own(found):
                    return
                spec = found["Spec"]
                spec["Labels"] = {**spec["Labels"], BEATS: str(beats)}
                version = str(found["Version"]["Index"])
                path = f"/configs/{self._own}/update"
                swarm.call(self._engine, "POST", path, spec, version=version)

    def _is_own(self, found: swarm.Json | None) -> bool:
        return bool(found and found["ID"] == self._own)


@contextmanager
def lease(engine: Engine, stack: str, reason: str, owner: str = "") -> Iterator[Lease]:
    """Hold the lease of a stack while the context is open; `engine` is a manager's.

    `reason` is shown to whoever comes meanwhile, such as "deploys". Raises DeployError while
    somebody else holds it.
    """
    name = f"{stack}-lease"
    labels = {OWNER: owner or who(), REASON: reason, PROCESS: process.own()}
    own = _take(engine, name, labels)
    if not own:
        _refuse_or_break(engine, name)
        own = _take(engine, name, labels)
    if not own:
        raise DeployError(engine.name, "somebody else has just begun", "wait for them")
    held, stop = Lease(engine, name, own), Event()
    beat = Thread(target=held.renew, args=(stop,), daemon=True)
    beat.start()
    try:
        yield held
    finally:
        stop.set()
        beat.join()
        with suppress(DockerException, RequestException):
            _remove(engine, own)


def who() -> str:
    """Return who runs this, for others to read: `user@machine`."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()


def _take(engine: Engine, name: str, labels: dict[str, str]) -> str:
    """Return the ID of the new lease, or nothing where there is one already."""
    body = {"Name": name, "Data": base64.b64encode(b"-").decode(), "Labels": labels}
    try:
        return str(swarm.call(engine, "POST", "/configs/create", body)["ID"])
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        return ""


def _refuse_or_break(engine: Engine, name: str) -> None:
    """Remove a lease that nobody renews any more; raises DeployError for one that is alive."""
    found = _find(engine, name)
    if not found:
        return
    labels = found["Spec"]["Labels"]
    silent = _now(engine, name) - _time(found["UpdatedAt"])
    if silent < EXPIRES and not process.has_ended(labels.get(PROCESS, "")):
        since = f"{_time(found['CreatedAt']):%H:%M:%S} UTC"
        what = f"{labels.get(OWNER, 'somebody')} {labels.get(REASON, 'works')} since {since}"
        hint = f"wait; if that run was killed, for {EXPIRES.seconds} s"
        raise DeployError(engine.name, what, hint)
    _remove(engine, str(found["ID"]))


def _now(engine: Engine, name: str) -> datetime:
    """Return the time by the clock that also dates the lease: the leading manager's.

    The clocks of this machine and of the other hosts may be wrong.
    """
    own = _take(engine, f"{name}-{secrets.token_hex(4)}", {})
    try:
        found = swarm.call(engine, "GET", "/configs", filters={"id": [own]})
        return _time(next(one["CreatedAt"] for one in found if one["ID"] == own))
    finally:
        _remove(engine, own)


def _find(engine: Engine, name: str) -> swarm.Json | None:
    found = swarm.call(engine, "GET", "/configs", filters={"name": [name]})
    return next((one for one in found if one["Spec"]["Name"] == name), None)


def _remove(engine: Engine, own: str) -> None:
    with suppress(NotFound):
        swarm.call(engine, "DELETE", f"/configs/{own}")


def _time(text: str) -> datetime:
    # Nanoseconds are more than Python reads.
    return datetime.fromisoformat(f"{text[:19]}+00:00")
