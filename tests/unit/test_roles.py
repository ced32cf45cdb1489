"""What the variables of roles say of a host, evaluated as Ansible does, without any host."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

from tests.unit.factory import ROOT

init_plugin_loader([])


def trusted(value: Any) -> Any:
    """Mark the texts of a role's file as templates, as Ansible does when it reads them."""
    match value:
        case str():
            return trust_as_template(value)
        case list():
            return [trusted(entry) for entry in value]
        case dict():
            return {key: trusted(entry) for key, entry in value.items()}
    return value


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return found


def evaluated(name: str, *roles: str, **variables: Any) -> Any:
    """Return what a variable of these roles comes to, given further variables."""
    known: dict[str, Any] = {}
    for role in roles:
        for folder in ("defaults", "vars"):
            path = ROOT / "ansible" / "roles" / role / folder / "main.yml"
            known |= trusted(read(path)) if path.exists() else {}
    templar = Templar(DataLoader(), known | variables)
    return templar.template(trust_as_template(f"{{{{ {name} }}}}"))


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("debian", 12, ["docker.io"]),
        ("debian", 13, ["docker.io", "docker-cli"]),
        ("ubuntu", 22, ["docker.io"]),
        ("ubuntu", 24, ["docker.io"]),
    ],
)
def test_only_debian_13_has_the_client_in_a_package_of_its_own(
    name: str, version: int, expected: list[str]
) -> None:
    facts = {"host_state": {"distribution": {"name": name, "version": version}}}
    found = evaluated("docker_engine_packages", "docker_engine", ansible_facts=facts)
    assert found["docker.io"] == expected


def test_sessions_behind_a_lost_network_end_within_a_minute() -> None:
    sshd = evaluated("access_sshd", "access")
    assert 0 < int(sshd["clientaliveinterval"]) * int(sshd["clientalivecountmax"]) < 60
    assert "\nclientaliveinterval 15\n" in evaluated("access_sshd_text", "access")
