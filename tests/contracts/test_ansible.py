"""Keep the border between Python and Ansible: what one hands over is what the other takes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from slipway.environment import load
from slipway.inventory import inventory
from slipway.settings.database import Database
from slipway.settings.hosts import Host
from tests.unit.factory import ROOT, environment

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
NAMES = [role.name for role in ROLES]
SERVICES = ROOT / "compose" / "services.yml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def specs(role: Path) -> dict[str, dict[str, Any]]:
    return {
        name: entry.get("options") or {}
        for name, entry in read(role / "meta" / "argument_specs.yml")["argument_specs"].items()
    }


def played() -> list[str]:
    return [entry["role"] for play in read(ANSIBLE / "provision.yml") for entry in play["roles"]]


def options() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in played():
        found |= specs(ANSIBLE / "roles" / name)["main"]
    return found


def given() -> list[dict[str, object]]:
    two = (Host("web1", "192.0.2.1"), Host("web2", "192.0.2.2"))
    meta = cast("dict[str, Any]", inventory(environment(hosts=two), 5000)["_meta"])
    return [
        {name: value for name, value in host.items() if not name.startswith("ansible_")}
        for host in meta["hostvars"].values()
    ]


def test_the_playbook_runs_every_role() -> None:
    assert sorted(played()) == NAMES


def test_roles_get_every_variable_that_they_ask_for_and_no_other() -> None:
    asked = options()
    with_default = {name for name, option in asked.items() if "default" in option}
    for variables in given():
        assert set(variables) | with_default == set(asked)
        assert {name for name, option in asked.items() if option.get("required")} <= set(variables)


def test_variables_have_the_types_that_the_roles_expect() -> None:
    types = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
    asked = options()
    for variables in given():
        wrong = [
            name
            for name, value in variables.items()
            if not isinstance(value, types[asked[name]["type"]])
        ]
        assert wrong == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_options_are_described_and_carry_the_roles_name(role: Path) -> None:
    entries = specs(role)
    assert "main" in entries
    for found in entries.values():
        for name, option in found.items():
            assert name.startswith(f"{role.name}_")
            assert option["description"].endswith(".")
            assert ("default" in option) != bool(option.get("required"))


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_defaults_are_those_of_the_argument_specs(role: Path) -> None:
    defaults = read(role / "defaults" / "main.yml")
    said = {
        name: option["default"]
        for found in specs(role).values()
        for name, option in found.items()
        if "default" in option
    }
    assert defaults == said


def test_a_host_is_left_alone_only_where_every_role_is_content() -> None:
    asked = read(ANSIBLE / "roles" / "host" / "vars" / "main.yml")["host_is_current"]
    for role in played()[1:]:
        assert f"{role}_is_current" in asked
        assert f"{role}_is_current" in read(ANSIBLE / "roles" / role / "vars" / "main.yml")


def test_the_inventory_script_prints_the_inventory(tmp_path: Path) -> None:
    shown = run_script(tmp_path, "--list")
    assert json.loads(shown.stdout) == json.loads(json.dumps(inventory(load("test", ROOT), 5055)))
    assert json.loads(run_script(tmp_path, "--host", "host1").stdout) == {}


def test_the_inventory_script_says_what_is_wrong(tmp_path: Path) -> None:
    failed = run_script(tmp_path, "--list", SLIPWAY_ENV="nowhere")
    assert failed.returncode != 0
    assert failed.stderr.startswith("env/nowhere.toml: does not exist")
    assert "Traceback" not in failed.stderr


def run_script(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    script = ANSIBLE / "inventory.py"
    assert os.access(script, os.X_OK)
    env = {**os.environ, "SLIPWAY_ENV": "test", "SLIPWAY_REGISTRY_PORT": "5055", **variables}
    env.pop("SLIPWAY_ROOT", None)
    return subprocess.run(
        [sys.executable, script, *words], cwd=folder, env=env, capture_output=True, text=True
    )


def test_each_variable_of_the_services_is_one_of_the_database_role() -> None:
    role = ANSIBLE / "roles" / "database"
    known = set(specs(role)["main"]) | set(read(role / "vars" / "main.yml"))
    used = set(re.findall(r"\$\{(\w+)\}", SERVICES.read_text(encoding="utf-8")))
    assert used
    assert used <= known


def test_nothing_of_the_services_is_left_for_a_second_interpolation() -> None:
    text = re.sub(r"\$\{\w+\}", "", SERVICES.read_text(encoding="utf-8"))
    assert "$" not in text
    assert "{%" not in text
    assert "{#" not in text


def test_two_databases_never_run_on_one_volume() -> None:
    deploy = read(SERVICES)["services"]["db"]["deploy"]
    assert deploy["update_config"]["order"] == "stop-first"
    assert deploy["rollback_config"]["order"] == "stop-first"
    assert deploy.get("replicas", 1) == 1
    assert len(deploy["placement"]["constraints"]) == 1


def test_the_local_database_is_mounted_where_its_image_looks_for_it() -> None:
    local = read(ROOT / "compose" / "local.yml")["services"]["db"]
    apart = Database(image=local["image"]).major >= 18
    assert local["volumes"] == [f"db:/var/lib/postgresql{'' if apart else '/data'}"]


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def test_tasks_that_hold_a_secret_are_never_logged() -> None:
    held = [
        task
        for role in ROLES
        for path in sorted((role / "tasks").glob("*.yml"))
        for task in tasks(read(path))
        if re.search(r"join-token|JoinToken", json.dumps(task))
    ]
    assert len(held) == 2
    assert all(task["no_log"] is True for task in held)
