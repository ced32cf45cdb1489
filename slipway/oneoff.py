"""Run single tasks of a new release beside the old one: migrate, and the trial."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from slipway import release, stackfile, swarm
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import DeployError
from slipway.masking import masker
from slipway.swarm import Task

RELEASE = "release"
TRIAL_SECONDS = 180
PENDING_SECONDS = 60
# What a killed deploy has begun in the database is let end for so long.
ORPHAN_SECONDS = 60
PAUSE = 0.2
LINES_SHOWN = 20
OLD_SERVES = "the old release goes on serving"
WAITING = frozenset({"new", "pending", "assigned", "accepted"})


class OneOff:
    """Run tasks of one release; all of them are gone afterwards, whatever happens."""

    def __init__(
        self,
        shell: Shell,
        console: Console,
        engines: Sequence[Engine],
        environment: Environment,
        variables: Mapping[str, str],
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._shell = shell
        self._console = console
        self._engines = engines
        self._engine = engines[0]
        self._stack = environment.stack
        self._hidden = masker(environment)
        self._variables = variables
        self._guard = guard

    def run(self, purpose: str, text: str, words: Sequence[str], seconds: float) -> str:
        """Run a command in one task of the release, and return what it said, secrets included.

        `text` is the stack file, `seconds` what it may take. Raises DeployError.
        """
        file = stackfile.one_off(text, words)
        with self._task(purpose, file) as service:
            task = self._wait(service, lambda t: t.state == "complete", seconds)
            if task.state != "complete":
                raise self._failure(purpose, service, task)
            return swarm.logs(self._engine, service)

    def try_out(self, text: str) -> None:
        """Start the release beside the old one until it is healthy; raises DeployError."""
        file = stackfile.one_off(text)
        with self._task("trial", file) as service:
            task = self._wait(service, lambda t: t.state == "running", TRIAL_SECONDS)
            if task.state != "running":
                raise self._failure("the new release", service, task)

    @contextmanager
    def _task(self, purpose: str, file: str) -> Iterator[str]:
        stack = name(self._stack, purpose)
        try:
            swarm.deploy(self._shell, self._engine, stack, file, self._variables)
            service = swarm.services(self._engine, stack)[f"{stack}_{stackfile.TASK}"]
            yield service["ID"]
        finally:
            self._remove(stack)

    def _remove(self, stack: str) -> None:
        """Remove what this run has started, and nothing of one that took over from it."""
        for service in swarm.services(self._engine, stack).values():
            owner = service["Spec"].get("Labels", {}).get(release.NAME_LABEL)
            if owner == self._variables.get("RELEASE", owner):
                swarm.remove_service(self._engine, service["ID"])

    def _wait(self, service: str, good: Callable[[Task], bool], seconds: float) -> Task:
        begin = time.monotonic()
        while True:
            waited = time.monotonic() - begin
            self._guard()
            task = next(iter(swarm.tasks(self._engine, service)), None)
            if task and (good(task) or task.failed or task.state == "complete"):
                return task
            stuck = task is None or task.state in WAITING
            if waited > (PENDING_SECONDS if stuck else seconds):
                state = f"{task.state} {task.error}".strip() if task else "not started"
                what = f"a task of the new release is still {state} after {waited:.0f} s"
                self._show(service)
                raise DeployError(self._stack, what, OLD_SERVES)
            time.sleep(PAUSE)

    def _failure(self, what: str, service: str, task: Task) -> DeployError:
        """Show the end of what the task wrote, and choose the line that says why it failed."""
        self._show(service)
        said = swarm.health(self._engines, task.container) or swarm.logs(
            self._engine, service, errors_only=True
        )
        reasons = [task.error or task.state, *_lines(self._hidden(said))[-1:]]
        return DeployError(what, ": ".join(reasons), OLD_SERVES)

    def _show(self, service: str) -> None:
        for line in _lines(self._hidden(swarm.logs(self._engine, service)))[-LINES_SHOWN:]:
            self._console.err.print(f"    {line}", markup=False)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def name(stack: str, purpose: str) -> str:
    """Return the name of the stack that holds a one-off task."""
    return f"{stack}-{purpose}"


def clear(engine: Engine, stack: str) -> None:
    """Remove what a killed run has left; raises DeployError where it migrates on and on."""
    begin = time.monotonic()
    while busy := _busy(engine, name(stack, RELEASE)):
        if time.monotonic() - begin > ORPHAN_SECONDS:
            what = f"a deploy that was killed still migrates ({busy})"
            raise DeployError(engine.name, what, "wait for it, or remove that service")
        time.sleep(PAUSE)
    for purpose in (RELEASE, "trial", "plan"):
        swarm.remove(engine, name(stack, purpose))


def _busy(engine: Engine, stack: str) -> str:
    """Name the service of a one-off stack that has a running task, if one has."""
    for service in swarm.services(engine, stack).values():
        if any(task.state == "running" for task in swarm.tasks(engine, service["ID"])):
            return str(service["Spec"]["Name"])
    return ""
