"""Replace the running release by a new one without a gap, or put the old one back."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from docker.errors import DockerException
from requests import RequestException

from slipway import swarm
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import DeployError, HostError, SlipwayError
from slipway.swarm import Json, Task

# Without any change for so long, a roll-out will not end by itself.
STALLED_SECONDS = 180
# Tasks that end again and again change all the time: what should be at rest is given up then.
RESTLESS_SECONDS = 600
# Longer than a task may take to end; Swarm is then told once more.
STUCK_SECONDS = 50
PAUSE = 0.25
# What is told to end serves for so long yet (app/serve.sh): by then no proxy asks it any more.
LEAVING_SECONDS = 3
# What the engine gives a task to end where nothing else is said (ns), and what it needs itself.
GRACE = 10_000_000_000
MARGIN_SECONDS = 5
OLD_SERVES = "the old release goes on serving"
SILENCE_SECONDS = 25
# A task is started again when it fails; one failure may be chance, three are not.
FAILURES = 3
UNDONE = frozenset({"paused", "rollback_started", "rollback_paused", "rollback_completed"})
UNSETTLED = frozenset({"updating", "rollback_started"})


class Stalled(DeployError):
    """Say that nothing moves any more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold how far a service has come: tasks that run as it is specified now, and failures.

    `ending` are those of another release that run still, on hosts that are up.
    """

    name: str
    running: int
    wanted: int
    others: int
    updating: bool
    failure: str = ""
    ending: int = 0

    @property
    def serving(self) -> bool:
        """Return whether all tasks run as specified and no other ones are wanted.

        Where a host went away, Swarm may run one more than it should.
        """
        return self.running >= self.wanted and self.others == 0

    @property
    def settled(self) -> bool:
        """Return whether all tasks run as specified and Swarm watches them no longer."""
        return self.serving and not self.updating


def progress(service: Json, tasks: Sequence[Task], up: Collection[str] = ()) -> Progress:
    """Judge a service by the state of its update and by its tasks (pure).

    `up` are the IDs of the nodes that answer.
    """
    spec, update = service["Spec"], service.get("UpdateStatus") or {}
    state = str(update.get("State", ""))
    current = [task for task in tasks if task.spec == spec["TaskTemplate"]["ContainerSpec"]]
    wanted = sum(task.desired == "running" for task in tasks)
    running = sum(task.desired == task.state == "running" for task in current)
    replicas = spec["Mode"].get("Replicated", {}).get("Replicas", wanted)
    failed = [task for task in current if task.failed]
    failure = ""
    if state in UNDONE:
        said = str(update.get("Message") or state)
        failure = ": ".join([said, *(task.error for task in tasks if task.id in said)])
    elif not state and running < replicas and len(failed) >= FAILURES:
        failure = failed[0].error or failed[0].state
    updating = state in UNSETTLED
    ending = sum(
        task.state == "running" and task.node in up for task in tasks if task not in current
    )
    return Progress(spec["Name"], running, replicas, wanted - running, updating, failure, ending)


def roll_out(
    shell: Shell,
    engine: Engine,
    stack: str,
    text: str,
    variables: Mapping[str, str],
    guard: Callable[[], None] = lambda: None,
) -> int:
    """Deploy the stack file, wait until all tasks are new and healthy, return how many.

    `guard` is called again and again, and raises where this run must not go on. Raises
    DeployError where Swarm gives up, HostError where a host goes down meanwhile. Swarm still
    watches the tasks: see `settle`.
    """
    nodes = swarm.ready_nodes(engine)
    swarm.deploy(shell, engine, stack, text, variables)
    states = _wait(engine, stack, lambda one: _good(one).serving, guard, nodes)
    return sum(one.running for one in states)


def settle(
    engine: Engine, stack: str, guard: Callable[[], None] = lambda: None, told: float = 0
) -> None:
    """Wait until Swarm watches the tasks no longer and no other release is asked any more.

    `told` is when all of another release were told to end, by the monotonic clock. Raises
    DeployError where Swarm gives up.
    """
    alone = _alone(told)

    def good(one: Progress) -> bool:
        return alone(_good(one)) and one.settled

    _wait(engine, stack, good, guard, longest=RESTLESS_SECONDS)


def outlast(engine: Engine, stack: str, guard: Callable[[], None] = lambda: None) -> None:
    """Wait until tasks of another release have nothing under way any more.

    Of an engine that was restarted Swarm may believe for ever that they have: after the time that
    they are given to end, none is left. Raises DeployError where Swarm gives up, HostError where
    a host goes down meanwhile: its tasks may live on.
    """
    nodes = swarm.ready_nodes(engine)
    services = swarm.services(engine, stack).values()
    tasks = [task for one in services for task in swarm.tasks(engine, one["ID"])]
    grace = max((task.spec.get("StopGracePeriod", GRACE) for task in tasks), default=0) / 1e9
    deadline = time.monotonic() + grace + MARGIN_SECONDS

    def ended(one: Progress) -> bool:
        return not _good(one).ending or time.monotonic() > deadline

    _wait(engine, stack, ended, guard, nodes)


@contextmanager
def put_back_on_failure(
    managers: Sequence[Engine],
    stack: str,
    console: Console,
    lost: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Give every service of the stack its present specification back if the context fails.

    Where the first manager does not answer any more, the next one is asked. `lost` says that
    somebody else has taken over: then nothing is touched.
    """
    services = swarm.services(managers[0], stack)
    before = {name: service["Spec"] for name, service in services.items()}
    try:
        yield
    except BaseException:
        if not lost():
            _restore(managers, stack, before, console)
        raise


def _restore(
    managers: Sequence[Engine], stack: str, before: Mapping[str, Json], console: Console
) -> None:
    what = "Put the previous release back" if before else "Take the new release away"
    begin, failures = time.monotonic(), [""]
    while failures and (failures == [""] or time.monotonic() - begin < SILENCE_SECONDS):
        failures = []
        for manager in managers:
            try:
                with console.step(what):
                    _put_back(manager, stack, before)
            except DeployError as error:
                console.warn(f"{stack}: could not put everything back: {error}")
                return
            except (SlipwayError, DockerException, RequestException) as error:
                failures.append(f"{manager.name}: {error}")
            else:
                return
        time.sleep(PAUSE)
    console.warn(f"{stack}: could not put everything back: {'; '.join(failures)}")


def specified(engine: Engine, stack: str) -> Json | None:
    """Return the labels of the release that is to run, however badly it does, if there is one."""
    web = swarm.services(engine, stack).get(f"{stack}_web")
    return dict(web["Spec"].get("Labels", {})) if web else None


def running(engine: Engine, stack: str) -> Json | None:
    """Return the labels of the release that runs whole and undisturbed, if one does."""
    services = swarm.services(engine, stack)
    if f"{stack}_web" not in services:
        return None
    states = [progress(one, swarm.tasks(engine, one["ID"])) for one in services.values()]
    if not all(state.settled for state in states):
        return None
    return dict(services[f"{stack}_web"]["Spec"].get("Labels", {}))


def _good(one: Progress) -> Progress:
    if one.failure:
        raise DeployError(one.name, one.failure, OLD_SERVES)
    return one


def _put_back(engine: Engine, stack: str, before: Mapping[str, Json]) -> None:
    # Where Swarm is rolling back by itself, the specification is the old one already.
    now = swarm.services(engine, stack)
    for name, service in now.items():
        if name not in before:
            swarm.remove_service(engine, service["ID"])
        elif service["Spec"] != before[name]:
            swarm.update(engine, service, _stubborn(before[name]))
    for name in before.keys() - now.keys():
        swarm.create(engine, before[name])
    try:
        _wait(engine, stack, _alone(), patience=STUCK_SECONDS, longest=RESTLESS_SECONDS)
    except Stalled:
        # An engine that restarted meanwhile can leave Swarm's own update stuck: a new one is begun.
        for name, service in swarm.services(engine, stack).items():
            if name in before:
                swarm.update(engine, service, _stubborn(before[name]))
        _wait(engine, stack, _alone(), longest=RESTLESS_SECONDS)


def _alone(told: float = 0) -> Callable[[Progress], bool]:
    """Return what tells whether a service serves and no other release of it is asked any more.

    What is told to end is asked for a moment yet: until then two releases serve. What it has
    under way, such as a long upload, may take it much longer to end.
    """
    seen: dict[str, float] = {}

    def alone(one: Progress) -> bool:
        if not one.serving:
            seen.pop(one.name, None)
            return False
        since = told or seen.setdefault(one.name, time.monotonic())
        return not one.ending or time.monotonic() - since > LEAVING_SECONDS

    return alone


def _stubborn(spec: Json) -> Json:
    """Return a specification that Swarm does not leave again, back to the release that failed.

    The next deploy sets again what the stack file says.
    """
    update = spec.get("UpdateConfig") or {}
    if update.get("FailureAction") != "rollback":
        return spec
    return {**spec, "UpdateConfig": {**update, "FailureAction": "continue"}}


def _wait(
    engine: Engine,
    stack: str,
    good: Callable[[Progress], bool],
    guard: Callable[[], None] = lambda: None,
    nodes: Mapping[str, str] = MappingProxyType({}),
    patience: float = 0,
    longest: float = math.inf,
) -> list[Progress]:
    """Wait until all services are good; raises Stalled where nothing moves for `patience` s.

    After `longest` s it raises DeployError.
    """
    patience, seen = patience or STALLED_SECONDS, object()
    begin = changed = answered = time.monotonic()
    while time.monotonic() - changed < patience:
        try:
            guard()
            services = swarm.services(engine, stack)
            tasks = {name: swarm.tasks(engine, one["ID"]) for name, one in services.items()}
            up = swarm.ready_nodes(engine)
            answered = time.monotonic()
        except (DockerException, RequestException, HostError):
            # An engine that restarts is back soon.
            if time.monotonic() - answered > SILENCE_SECONDS:
                raise
            time.sleep(PAUSE)
            continue
        _refuse_lost(nodes, up)
        states = [progress(one, tasks[name], up) for name, one in services.items()]
        verdicts = [good(state) for state in states]
        if all(verdicts):
            return states
        now = states, {(task.id, task.state) for some in tasks.values() for task in some}
        if now != seen:
            seen, changed = now, time.monotonic()
        if changed - begin > longest:
            raise DeployError(stack, f"its tasks find no rest within {longest:g} s", _hint(stack))
        time.sleep(PAUSE)
    raise Stalled(stack, f"nothing has moved for {patience:g} s", _hint(stack))


def _refuse_lost(nodes: Mapping[str, str], up: Mapping[str, str]) -> None:
    for lost in nodes.keys() - up.keys():
        # Swarm would go on without it, if at all: its update waits for a task there.
        raise HostError(nodes[lost], "went down meanwhile", OLD_SERVES)


def _hint(stack: str) -> str:
    return f"'docker service ps {stack}_web' on the first host says more"
