"""Read compose/stack.yml and derive the one-off tasks of a deploy from it (pure)."""

import json
from collections.abc import Sequence
from typing import Any

import yaml

from slipway import release
from slipway.errors import ConfigurationError

WHERE = "compose/stack.yml"
# Ten times as quick where libyaml came with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SERVICE = "web"
TASK = "task"
# What makes `web` serve the site has no place in a task beside it.
DROPPED = ("ports", "deploy", "container_name")
# Often while a task starts, seldom afterwards: each time a process is started in the container.
QUICK = {"start_interval": "500ms", "interval": "10s", "retries": 3}
# The first version of the format that knows it.
QUICK_VERSION = "3.12"
KEPT_OF_DEPLOY = ("resources", "placement")


def one_off(text: str, command: Sequence[str] = ()) -> str:
    """Return the stack file of one task that is like `web` but gets no traffic, as JSON.

    With `command` the task runs that instead of the server, and is not asked for its health.
    Raises ConfigurationError.
    """
    file = _parse(text)
    web = file["services"][SERVICE]
    task = {key: value for key, value in web.items() if key not in DROPPED}
    task["networks"] = {name: {} for name in web.get("networks", [])}
    task["deploy"] = _deploy(web.get("deploy", {}))
    # Nobody's requests are waited for; and Python takes SIGINT even as process 1.
    task["stop_grace_period"] = "3s"
    if command:
        task |= {"command": list(command), "stop_signal": "SIGINT"}
        task["healthcheck"] = {"disable": True}
    return json.dumps({**file, "services": {TASK: task}})


def _deploy(web: dict[str, Any]) -> dict[str, Any]:
    kept = {key: web[key] for key in KEPT_OF_DEPLOY if key in web}
    once = {"replicas": 1, "endpoint_mode": "dnsrr", "restart_policy": {"condition": "none"}}
    return kept | once | {"labels": {release.NAME_LABEL: "${RELEASE:-}"}}


def quick_start(text: str) -> str:
    """Return the stack file with health asked for every half second while a task starts.

    Afterwards it is asked for every 10 s. Engines since 25 can; where the file says itself how
    often at the start, it stays as it is.
    """
    file = _parse(text)
    health = file["services"][SERVICE].get("healthcheck")
    if not isinstance(health, dict) or "start_interval" in health or health.get("disable"):
        return text
    web = {**file["services"][SERVICE], "healthcheck": {**health, **QUICK}}
    return json.dumps(
        {**file, "version": QUICK_VERSION, "services": {**file["services"], SERVICE: web}}
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        file = yaml.load(text, LOADER)  # noqa: S506 - either of the two is safe
        found = isinstance(file["services"][SERVICE], dict)
    except yaml.YAMLError as error:
        raise ConfigurationError(WHERE, f"is no YAML: {error}", "mend that line") from None
    except (KeyError, TypeError):
        found = False
    if not found:
        raise ConfigurationError(WHERE, "has no service 'web'", "the site's service has that name")
    return dict(file)
