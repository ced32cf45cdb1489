import json
import re

import pytest
import yaml

from slipway import stackfile
from slipway.errors import ConfigurationError
from tests.unit.factory import ROOT

TEXT = (ROOT / "compose" / "stack.yml").read_text(encoding="utf-8")
WEB = yaml.safe_load(TEXT)["services"]["web"]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_a_one_off_task_is_like_web_but_alone() -> None:
    file = json.loads(stackfile.one_off(TEXT))
    assert list(file["services"]) == ["task"]
    task = file["services"]["task"]
    for key in ("image", "environment", "secrets", "volumes", "read_only", "healthcheck"):
        assert task[key] == WEB[key]
    assert task["deploy"]["replicas"] == 1
    assert task["deploy"]["restart_policy"] == {"condition": "none"}
    assert set(task["networks"]) == {"proxy", "private"}
    assert file["networks"] == yaml.safe_load(TEXT)["networks"]
    assert "command" not in task


def test_a_command_replaces_the_server_and_the_health_check() -> None:
    task = json.loads(stackfile.one_off(TEXT, ("python", "x.py")))["services"]["task"]
    assert task["command"] == ["python", "x.py"]
    assert task["healthcheck"] == {"disable": True}


def test_traffic_and_other_services_stay_away_from_a_one_off_task() -> None:
    text = """
        services:
          worker: {image: x}
          web:
            image: x
            ports: ["80:8000"]
            networks: {private: {aliases: [site]}}
            deploy: {replicas: 9, resources: {limits: {memory: 1g}}, labels: {a: b}}
    """
    file = json.loads(stackfile.one_off(text))
    assert list(file["services"]) == ["task"]
    task = file["services"]["task"]
    assert "ports" not in task
    assert task["networks"] == {"private": {}}
    assert task["deploy"]["resources"] == {"limits": {"memory": "1g"}}
    assert task["deploy"]["labels"] == {"slipway.release": "${RELEASE:-}"}


@pytest.mark.parametrize("text", ["", "[]", "services: {}", "services: {web: 1}", "a: [", "x"])
def test_a_stack_file_without_web_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"compose/stack\.yml: "):
        stackfile.one_off(text)


def test_health_is_asked_for_more_often_while_a_task_starts() -> None:
    file = json.loads(stackfile.quick_start(TEXT))
    assert file["version"] == "3.12"
    assert file["services"]["web"]["healthcheck"] == {
        **WEB["healthcheck"],
        "start_interval": "500ms",
        "interval": "10s",
        "retries": 3,
    }
    assert {**file["services"]["web"], "healthcheck": 0} == {**WEB, "healthcheck": 0}


@pytest.mark.parametrize("own", ["{start_interval: 2s}", "{disable: true}", "null"])
def test_a_health_check_that_says_itself_how_often_stays(own: str) -> None:
    text = f"services: {{web: {{image: x, healthcheck: {own}}}}}"
    assert stackfile.quick_start(text) == text


def test_no_old_task_ends_before_a_new_one_is_healthy() -> None:
    update = WEB["deploy"]["update_config"]
    assert update["order"] == WEB["deploy"]["rollback_config"]["order"] == "start-first"
    assert update["failure_action"] == "rollback"


def test_tasks_get_longer_to_stop_than_they_drain_and_finish_requests() -> None:
    drain = re.search(r"DRAIN_SECONDS:-(\d+)", (ROOT / "app" / "serve.sh").read_text())
    graceful = re.search(
        r"graceful_timeout = (\d+)", (ROOT / "app" / "gunicorn.conf.py").read_text()
    )
    assert drain
    assert graceful
    assert seconds(WEB["stop_grace_period"]) > int(drain[1]) + int(graceful[1])


def test_web_cannot_change_its_image_or_gain_rights() -> None:
    assert WEB["read_only"] is True
    assert WEB["cap_drop"] == ["ALL"]
    assert WEB["secrets"] == [
        {"source": "env", "target": "env", "uid": "1000", "gid": "1000", "mode": 0o400}
    ]
    assert WEB["environment"] == {"ENV_FILE": "/run/secrets/env"}
