from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway import release, status
from slipway.checks import services
from slipway.checks.services import World
from slipway.findings import Finding
from slipway.secrets import Secret
from tests.unit.factory import environment

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Json = dict[str, Any]


def node(name: str, state: str = "ready", availability: str = "active") -> Json:
    return {"Description": {"Hostname": name}, "Status": {"State": state},
            "Spec": {"Availability": availability}}  # fmt: skip


def service(name: str, replicas: int = 1, **labels: str) -> Json:
    spec = {"Image": "myapp:1", "Secrets": [{"SecretName": labels.pop("secret", "")}]}
    return {
        "ID": name, "UpdatedAt": "2026-11-24T09:00:00.123456789Z",
        "Spec": {"Name": name, "Labels": {f"slipway.{k}": v for k, v in labels.items()},
                 "TaskTemplate": {"ContainerSpec": spec},
                 "Mode": {"Replicated": {"Replicas": replicas}}},
    }  # fmt: skip


def task(
    of: str, node: str = "n1", state: str = "running", minutes: int = 10, error: str = ""
) -> Json:
    at = (NOW - timedelta(minutes=minutes)).isoformat()
    desired = "running" if state == "running" else "shutdown"
    return {
        "ID": f"{of}{node}{state}", "ServiceID": of, "NodeID": node, "CreatedAt": at, "Slot": 1,
        "DesiredState": desired, "Status": {"State": state, "Timestamp": at, "Err": error},
        "Spec": {"ContainerSpec": {"Image": "myapp:1", "Secrets": []}},
    }  # fmt: skip


def world(*tasks: Json, **nodes: Json) -> World:
    found = [
        service("myapp-test_web", 2, release="20261124-x", by="y", secret="s1"),
        service("myapp-test-services_db"), service("slipway_proxy"),
    ]  # fmt: skip
    there = nodes or {"n1": node("host1"), "n2": node("host2")}
    return World(there, {one["ID"]: one for one in found}, tasks, NOW)


WEB = (task("myapp-test_web"), task("myapp-test_web", "n2", minutes=200))
REST = (task("myapp-test-services_db"), task("slipway_proxy"))


def judged(found: World, **fields: Any) -> dict[str, Finding]:
    return {one.name: one for one in services.judge(environment(**fields), found)}


def test_a_healthy_environment_is_in_order(tmp_path: Path) -> None:
    found = judged(world(*WEB, *REST), root=tmp_path)
    assert {name: one.state for name, one in found.items()} == {
        "web": "ok", "proxy": "ok", "db": "ok", "release": "ok", "env file": "warn",
    }  # fmt: skip
    assert found["web"].text == "2 of 2 healthy, 1 on host1 for 10 min, 1 on host2 for 3 h"
    assert found["release"].text.endswith("3 h ago")


def test_half_of_the_tasks_is_a_warning_and_none_is_broken() -> None:
    assert judged(world(WEB[0], *REST))["web"].state == "warn"
    scaled_down = replace(world(*REST), services={"myapp-test_web": service("myapp-test_web", 0)})
    assert judged(scaled_down)["web"].state == "fail"
    none = judged(world(*REST))["web"]
    assert (none.state, none.text) == ("fail", "0 of 2 healthy")
    assert "invoke logs --service web" in none.hint


def test_tasks_that_are_still_ending_are_not_counted_as_healthy_ones() -> None:
    found = judged(world(*WEB, task("myapp-test_web", minutes=1), *REST))["web"]
    assert found.text.startswith("2 of 2 healthy, 1 more for a moment, ")


def test_tasks_that_failed_lately_are_counted_with_the_reason() -> None:
    lately = task("myapp-test_web", state="failed", minutes=5, error="non-zero exit (1)")
    long_ago = task("myapp-test_web", "n2", state="failed", minutes=90)
    found = judged(world(*WEB, lately, long_ago, *REST))["web"]
    assert found.state == "warn"
    assert "1 failed in the last hour (non-zero exit (1))" in found.text
    assert found.facts["services"][0]["failed_last_hour"] == 1


def test_a_node_that_is_down_or_drained_is_named() -> None:
    nodes = {"n1": node("host1", "down"), "n2": node("host2", availability="drain")}
    found = judged(world(*WEB, *REST, **nodes))
    assert (found["host1"].state, found["host2"].state) == ("fail", "warn")
    assert "docker node update --availability active host2" in found["host2"].hint


def test_a_service_that_is_missing_says_which_task_makes_it() -> None:
    empty = World({}, {}, [], NOW)
    found = judged(empty)
    assert {one.hint for one in found.values()} == {
        "run 'invoke deploy -e test'", "run 'invoke provision -e test'",
    }  # fmt: skip
    elsewhere = {"DATABASE_URL": Secret("postgres://u:p@db.example.com/x")}
    assert "db" not in judged(empty, variables=elsewhere)


def test_a_database_url_that_cannot_be_read_is_told_and_the_rest_as_well() -> None:
    unreadable = {"DATABASE_URL": Secret("postgres://u:p/w@h/d")}
    found = judged(world(*WEB, *REST), variables=unreadable)
    assert found["DATABASE_URL"].state == "fail"
    assert {"web", "proxy"} < found.keys()
    assert "db" not in found


@pytest.mark.parametrize(("content", "state"), [("A=1\n", "ok"), ("A=2\n", "warn")])
def test_an_env_file_that_drifted_is_seen_by_its_hash(
    tmp_path: Path, content: str, state: str
) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "test.env").write_text(content)
    found = world(*WEB, *REST)
    secret = release.secret_name("myapp-test", b"A=1\n")
    web = service("myapp-test_web", 2, secret=secret)
    one = judged(replace(found, services={**found.services, "myapp-test_web": web}), root=tmp_path)
    assert one["env file"].state == state
    assert one["env file"].facts == {"env": {"same": state == "ok"}}


def test_the_json_of_status_joins_what_was_found_and_keeps_gaps() -> None:
    found = [*services.judge(environment(), world(*WEB, *REST))]
    fields = status._fields(environment(), found)
    assert [one["name"] for one in fields["services"]] == ["web", "proxy", "db"]  # type: ignore[attr-defined]
    assert fields["storage"] is None
    assert fields["healthy"] is True


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (9e5, "10 d")]
)
def test_spans_are_told_in_their_largest_unit(seconds: float, said: str) -> None:
    assert services.ago(timedelta(seconds=seconds)) == said
