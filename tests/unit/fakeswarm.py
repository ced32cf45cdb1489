"""A Swarm in memory: it answers slipway.swarm.call as a manager's engine does."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from unittest.mock import Mock

from docker.errors import APIError, NotFound
from requests import Response

from slipway.engine import Engine
from slipway.swarm import NAMESPACE

Json = dict[str, Any]


def spec(name: str, image: str = "myapp:1", replicas: int = 1) -> Json:
    container = {"Image": image}
    return {
        "Name": name,
        "Labels": {NAMESPACE: name.partition("_")[0]},
        "TaskTemplate": {"ContainerSpec": container},
        "Mode": {"Replicated": {"Replicas": replicas}},
    }


def task(state: str, image: str = "myapp:1", desired: str = "running", error: str = "") -> Json:
    return {
        "ID": f"task-{image}-{state}",
        "Status": {"State": state, "Err": error},
        "DesiredState": desired,
        "Spec": {"ContainerSpec": {"Image": image}},
    }


def node(name: str, state: str = "ready", availability: str = "active") -> Json:
    return {
        "ID": f"id-{name}",
        "Description": {"Hostname": name},
        "Status": {"State": state},
        "Spec": {"Availability": availability},
    }


@dataclass
class FakeSwarm:
    """Run each service's tasks as `fates` says: a list of states for an image.

    Tasks that are `ending` are there besides.
    """

    services: dict[str, Json] = field(default_factory=dict)
    configs: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    nodes: dict[str, Json] = field(default_factory=dict)
    fates: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    ending: list[Json] = field(default_factory=list)
    said: bytes = b""
    _numbers: Any = field(default_factory=itertools.count)

    @cached_property
    def engine(self) -> Engine:
        client = Mock()
        client.api.service_logs.return_value = [self.said]
        client.containers.get.side_effect = NotFound("no such container")
        client.info.return_value = {"SystemTime": "2026-11-22T14:01:00.5Z"}
        return Engine(client, "unix:///fake", "host1")

    def add(self, one: Json) -> Json:
        number = next(self._numbers)
        service = {"ID": f"id{number}", "Version": {"Index": number}, "Spec": one}
        self.services[one["Name"]] = service
        return service

    def call(
        self,
        _: Engine,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        filters: Mapping[str, list[str]] | None = None,
        **query: str,
    ) -> Any:
        kind, __, rest = path.strip("/").partition("/")
        if method == "GET":
            return self._get(kind, filters or {})
        self.changes.append(f"{method} {path}")
        if kind == "services":
            return self._change_service(method, rest, body or {}, query)
        return self._change_other(getattr(self, kind), method, rest, body or {})

    def _get(self, kind: str, filters: Mapping[str, list[str]]) -> list[Json]:
        if kind == "tasks":
            return self._tasks(filters["service"][0])
        if kind == "services" and filters:
            stack = filters["label"][0].partition("=")[2]
            found = self.services.values()
            return [one for one in found if one["Spec"]["Labels"].get(NAMESPACE) == stack]
        return list(getattr(self, kind).values())

    def _tasks(self, service: str) -> list[Json]:
        one = next(one for one in self.services.values() if one["ID"] == service)
        image = one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        state = self.fates.get(image, "running")
        count = one["Spec"]["Mode"]["Replicated"]["Replicas"]
        return [task(state, image, error=self.errors.get(image, ""))] * count + self.ending

    def _change_service(self, method: str, rest: str, body: Json, query: Json) -> None:
        name = next((n for n, s in self.services.items() if s["ID"] == rest.partition("/")[0]), "")
        if rest == "create":
            self.add(body)
        elif not name:
            raise NotFound("no such service")
        elif method == "DELETE":
            del self.services[name]
        else:
            assert query["version"] == str(self.services[name]["Version"]["Index"])
            self.add(body)

    def _change_other(
        self, there: dict[str, Json], method: str, rest: str, body: Json
    ) -> Json | None:
        if rest == "create":
            if body["Name"] in there:
                raise APIError("name conflict", response=_response(409))
            return self._put(there, body, f"id{next(self._numbers)}")
        wanted = rest.partition("/")[0]
        found = [n for n, one in there.items() if wanted in (n, one["ID"])]
        if not found:
            raise NotFound("no such thing")
        if method == "DELETE":
            del there[found[0]]
            return None
        return self._put(there, body, there[found[0]]["ID"])

    def _put(self, there: dict[str, Json], body: Json, own: str) -> Json:
        born = there.get(body["Name"], {}).get("CreatedAt", "2026-11-22T14:00:50Z")
        there[body["Name"]] = {
            "ID": own,
            "Version": {"Index": next(self._numbers)},
            "CreatedAt": born,
            "UpdatedAt": born,
            "Spec": body,
        }
        return {"ID": own}


def _response(status: int) -> Response:
    response = Response()
    response.status_code = status
    return response
