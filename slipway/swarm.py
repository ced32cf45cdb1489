"""Read and change the services, tasks and secrets of a Swarm."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import DockerException, NotFound, create_api_error_from_http_exception
from requests import HTTPError, RequestException

from slipway.command import Command, Shell
from slipway.engine import Engine
from slipway.errors import DeployError
from slipway.secrets import Secret

Json = dict[str, Any]
NAMESPACE = "com.docker.stack.namespace"
SERVICE = "com.docker.swarm.service.name"
FAILED = frozenset({"failed", "rejected", "orphaned"})
TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Task:
    """Hold how far one task of a service has come."""

    id: str
    state: str
    desired: str
    error: str
    spec: Json
    container: str = ""
    node: str = ""

    @classmethod
    def read(cls, task: Json) -> "Task":
        """Read a task as the engine describes it."""
        status = task["Status"]
        return cls(
            id=task["ID"],
            state=status["State"],
            desired=task["DesiredState"],
            error=status.get("Err", ""),
            spec=task["Spec"].get("ContainerSpec", {}),
            container=status.get("ContainerStatus", {}).get("ContainerID", ""),
            node=task.get("NodeID", ""),
        )

    @property
    def failed(self) -> bool:
        """Return whether the task ended in another way than it should."""
        return self.state in FAILED


def services(engine: Engine, stack: str) -> dict[str, Json]:
    """Return the services of a stack by name, as the engine describes them."""
    found = call(engine, "GET", "/services", filters={"label": [f"{NAMESPACE}={stack}"]})
    return {service["Spec"]["Name"]: service for service in found}


def tasks(engine: Engine, service: str) -> list[Task]:
    """Return the tasks of a service, old ones included."""
    found = call(engine, "GET", "/tasks", filters={"service": [service]})
    return [Task.read(task) for task in found]


def ready_nodes(engine: Engine) -> dict[str, str]:
    """Return the host names of the nodes that are up, by their IDs."""
    return {
        node["ID"]: str(node["Description"]["Hostname"])
        for node in call(engine, "GET", "/nodes")
        if node["Status"]["State"] != "down"
    }


def takers(engine: Engine) -> list[str]:
    """Return the host names of the nodes that are given tasks."""
    return [
        str(node["Description"]["Hostname"])
        for node in call(engine, "GET", "/nodes")
        if node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active"
    ]


def logs(engine: Engine, service: str, *, errors_only: bool = False) -> str:
    """Return what the tasks of a service have written so far, in the order of writing."""
    stream = engine.client.api.service_logs(
        service, stdout=not errors_only, stderr=True, timestamps=True, is_tty=False
    )
    lines = b"".join(stream).decode(errors="replace").splitlines()
    return "\n".join(line.partition(" ")[2] for line in sorted(lines))


def health(engines: Sequence[Engine], container: str) -> str:
    """Return what the last health check of a container said, on whichever host it is."""
    for engine in engines:
        with suppress(NotFound):
            state = engine.client.containers.get(container).attrs["State"]
            log = (state.get("Health") or {}).get("Log") or [{"Output": ""}]
            return str(log[-1]["Output"]).strip()
    return ""


def ask(engines: Sequence[Engine], service: str, words: Sequence[str]) -> str | None:
    """Run a command in a healthy task of a service, on whichever host it is.

    Returns what it said on standard output, or None where no task could run it to its end.
    """
    where: Json = {"label": f"{SERVICE}={service}", "health": "healthy"}
    for engine in engines:
        with suppress(DockerException, RequestException):
            for container in engine.client.containers.list(filters=where, sparse=True)[:1]:
                code, said = container.exec_run([*words], stderr=False)
                if code == 0 and isinstance(said, bytes):
                    return said.decode(errors="replace")
    return None


def deploy(
    shell: Shell, engine: Engine, stack: str, text: str, variables: Mapping[str, str | Secret]
) -> None:
    """Create or update a stack from the text of its file; raises DeployError."""
    # An image that comes from no registry must not be looked up in one.
    words = ["docker", "stack", "deploy", "--resolve-image=never", "--prune"]
    words += ["--compose-file", "-", stack]
    command = Command.of(*words, env={**variables, **engine.env}, stdin=text.encode())
    result = shell.run(command, check=False)
    if result.code != 0:
        raise DeployError(stack, f"docker stack deploy failed: {result.last_words}")


def remove(engine: Engine, stack: str) -> None:
    """Remove all services of a stack, if there are any."""
    for service in services(engine, stack).values():
        remove_service(engine, service["ID"])


def remove_service(engine: Engine, service: str) -> None:
    """Remove a service; one that is gone already is fine."""
    with suppress(NotFound):
        call(engine, "DELETE", f"/services/{service}")


def create(engine: Engine, spec: Json) -> None:
    """Create a service with exactly this specification."""
    call(engine, "POST", "/services/create", spec)


def update(engine: Engine, service: Json, spec: Json) -> None:
    """Give a service exactly this specification."""
    version = str(service["Version"]["Index"])
    call(engine, "POST", f"/services/{service['ID']}/update", spec, version=version)


def secrets(engine: Engine, **filters: list[str]) -> list[Json]:
    """Return the secrets that pass the filters, without their contents."""
    return list(call(engine, "GET", "/secrets", filters=filters))


def hand_over(engine: Engine, name: str, content: bytes, labels: Mapping[str, str]) -> bool:
    """Create a secret unless one of that name is there; return whether it was created."""
    if any(secret["Spec"]["Name"] == name for secret in secrets(engine, name=[name])):
        return False
    data = base64.b64encode(content).decode()
    call(engine, "POST", "/secrets/create", {"Name": name, "Data": data, "Labels": dict(labels)})
    return True


def call(
    engine: Engine,
    method: str,
    path: str,
    body: Json | None = None,
    *,
    filters: Mapping[str, list[str]] | None = None,
    **query: str,
) -> Any:
    """Send one request to the engine and return its answer; raises APIError.

    The SDK's own methods rebuild a specification from arguments and lose what they do not know.
    """
    api = engine.client.api
    url = f"{api.base_url}/v{api.api_version}{path}"
    params = {**query, "filters": json.dumps(filters)} if filters else query
    response = api.request(method, url, params=params, json=body, timeout=TIMEOUT)
    try:
        response.raise_for_status()
    except HTTPError as error:
        raise create_api_error_from_http_exception(error) from None
    return response.json() if response.content else None
