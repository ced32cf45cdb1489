"""Look at an environment's services, tasks, release and secret through the host that leads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway import engine, release, rollout, swarm, variables
from slipway.command import Shell
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import DsnError
from slipway.findings import Finding, State
from slipway.swarm import Json, Task

GROUP = "Services"
# The proxy's stack serves all environments of its hosts.
PROXY_STACK = "slipway"
DEPLOYED_BY, REVISION = "slipway.deployed-by", "slipway.revision"
RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class World:
    """Hold what a manager of the Swarm tells: nodes by ID, services by name, all tasks."""

    nodes: Mapping[str, Json]
    services: Mapping[str, Json]
    tasks: Sequence[Json]
    now: datetime

    def of(self, service: Json) -> list[Json]:
        """Return the tasks of a service, the newest first."""
        mine = [task for task in self.tasks if task["ServiceID"] == service["ID"]]
        return sorted(mine, key=lambda task: str(task["CreatedAt"]), reverse=True)

    def host(self, task: Json) -> str:
        """Return the name of the node that a task is on, or nothing while it is on none."""
        node = self.nodes.get(task.get("NodeID", ""))
        return str(node["Description"]["Hostname"]) if node else ""


def look(environment: Environment, shell: Shell) -> list[Finding]:
    """Read the Swarm and judge it; raises HostError where its leader cannot be asked."""
    with engine.on_host(shell, environment.manager) as there, engine.refusals(there):
        world = read(there, environment)
    return [*judge(environment, world)]


def read(there: Engine, environment: Environment) -> World:
    """Read what belongs to an environment, and the proxy."""
    stacks = (environment.stack, f"{environment.stack}-services", PROXY_STACK)
    found: dict[str, Json] = {}
    for stack in stacks:
        found |= swarm.services(there, stack)
    nodes = {node["ID"]: node for node in swarm.call(there, "GET", "/nodes")}
    now = moment(there.client.info()["SystemTime"])
    return World(nodes, found, swarm.call(there, "GET", "/tasks"), now)


def judge(environment: Environment, world: World) -> Iterator[Finding]:
    """Judge nodes, services, release and env file (pure)."""
    yield from _nodes(world)
    stack = environment.stack
    wanted = {"web": (f"{stack}_web", "deploy"), "proxy": (f"{PROXY_STACK}_proxy", "provision")}
    try:
        own = variables.managed(environment) is None
    except DsnError as error:
        own = False
        yield Finding(GROUP, variables.DATABASE, "fail", error.what, error.hint)
    if own:
        wanted["db"] = (f"{stack}-services_db", "provision")
    for name, (full, task) in wanted.items():
        if full in world.services:
            yield _service(name, world.services[full], world)
        else:
            yield _missing(name, f"invoke {task} -e {environment.name}")
    web = world.services.get(f"{stack}_web")
    if web:
        yield _release(web, world.now)
        yield _env(environment, web)


def _nodes(world: World) -> Iterator[Finding]:
    for node in world.nodes.values():
        name, state = node["Description"]["Hostname"], node["Status"]["State"]
        availability = node["Spec"]["Availability"]
        if state != "ready":
            hint = "start that host, or see 'systemctl status docker' there"
            yield Finding(GROUP, name, "fail", f"is {state} for the Swarm", hint)
        elif availability != "active":
            hint = f"'docker node update --availability active {name}' takes it in again"
            yield Finding(GROUP, name, "warn", f"gets no tasks ({availability})", hint)


def _service(name: str, service: Json, world: World) -> Finding:
    tasks = world.of(service)
    state = rollout.progress(service, [Task.read(task) for task in tasks])
    running = [task for task in tasks if task["Status"]["State"] == "running"]
    failed = [task for task in tasks if _failed_lately(task, world.now)]
    facts = {
        "name": name,
        "running": len(running),
        "wanted": state.wanted,
        "failed_last_hour": len(failed),
        "tasks": [_task(task, world) for task in tasks if task["DesiredState"] == "running"],
    }
    more = len(running) - state.wanted
    words = [f"{min(len(running), state.wanted)} of {state.wanted} healthy"]
    words += [f"{more} more for a moment"] if more > 0 else []
    words += _places(running, world)
    if failed:
        reason = str(failed[0]["Status"].get("Err") or failed[0]["Status"]["State"])
        words.append(f"{len(failed)} failed in the last hour ({reason})")
    if state.updating:
        words.append("an update is going on")
    good = 0 < state.wanted <= len(running) and not failed and not state.updating
    verdict: State = "ok" if good else "warn" if running else "fail"
    hint = "" if good else f"'invoke logs --service {name} --since 1h' says more"
    return Finding(GROUP, name, verdict, ", ".join(words), hint, {"services": [facts]})


def _missing(name: str, task: str) -> Finding:
    facts = {"name": name, "running": 0, "wanted": 0, "failed_last_hour": 0, "tasks": []}
    return Finding(GROUP, name, "fail", "is not there", f"run '{task}'", {"services": [facts]})


def _task(task: Json, world: World) -> Json:
    return {
        "slot": task.get("Slot", 0),
        "host": world.host(task),
        "state": task["Status"]["State"],
        "since": task["Status"]["Timestamp"],
        "error": task["Status"].get("Err", ""),
    }


def _failed_lately(task: Json, now: datetime) -> bool:
    status = task["Status"]
    return status["State"] in swarm.FAILED and now - moment(status["Timestamp"]) < RECENT


def _release(web: Json, now: datetime) -> Finding:
    labels = web["Spec"].get("Labels", {})
    facts = {
        "name": labels.get(release.NAME_LABEL, ""),
        "revision": labels.get(REVISION, ""),
        "by": labels.get(DEPLOYED_BY, ""),
        "at": web["UpdatedAt"],
    }
    age = ago(now - moment(web["UpdatedAt"]))
    text = f"{facts['name']} by {facts['by']}, {age} ago"
    return Finding(GROUP, "release", "ok", text, facts={"release": facts})


def _env(environment: Environment, web: Json) -> Finding:
    """Compare the env file here with the one deployed, by the hash in the secret's name."""
    spec = web["Spec"]["TaskTemplate"]["ContainerSpec"]
    deployed = [secret["SecretName"] for secret in spec.get("Secrets") or []]
    path = environment.env_file
    where = f"env/{path.name}"
    if not path.is_file():
        facts: dict[str, Any] = {"env": {"same": None}}
        hint = f"get it from a colleague, or see 'invoke provision -e {environment.name}'"
        return Finding(GROUP, "env file", "warn", f"{where} is not here", hint, facts)
    same = release.secret_name(environment.stack, path.read_bytes()) in deployed
    text = f"{where} is what is deployed" if same else f"{where} differs from what is deployed"
    hint = "" if same else f"'invoke deploy -e {environment.name}' hands it over"
    state: State = "ok" if same else "warn"
    return Finding(GROUP, "env file", state, text, hint, {"env": {"same": same}})


def _places(running: Sequence[Json], world: World) -> Iterator[str]:
    """Say on which hosts tasks run, and for how long the youngest of them does."""
    for host in sorted({world.host(task) for task in running}):
        since = [moment(one["Status"]["Timestamp"]) for one in running if world.host(one) == host]
        count = f"{len(since)} " if len(running) > 1 else ""
        yield f"{count}on {host} for {ago(world.now - max(since))}"


def ago(span: timedelta) -> str:
    """Return a span for people, in its largest unit: `40 s`, `3 min`, `5 h`, `12 d` (pure)."""
    count = max(0, int(span.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if count >= 2 * length:
            return f"{count // length} {unit}"
    return f"{count} s"


def moment(text: str) -> datetime:
    """Read a time as the engine writes it (pure)."""
    # Nanoseconds are more than Python reads.
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
