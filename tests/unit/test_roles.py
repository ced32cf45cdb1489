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


LABEL = "slipway.myapp-test.database"
BEARS: dict[str, str] = {LABEL: "true"}


def node(number: int, nodes: dict[str, dict[str, str]] | None = None, **facts: Any) -> Any:
    """Return the facts of host<number>, whose node is n<number>; with `nodes` it leads."""
    swarm = {"LocalNodeState": "active", "ControlAvailable": nodes is not None}
    names = {found: f"name-of-{found}" for found in nodes or {}}
    return {
        "swarm": {**swarm, "NodeID": f"n{number}"},
        **{"answers": True, "leaderless": False, "networks": [], "addresses": {}, "mtu": 1500},
        **{"nodes": nodes or {}, "names": names, "up": list(nodes or {})},
        "roles": dict.fromkeys(nodes or {}, "worker"),
        **facts,
    }


def in_swarm(name: str, *facts: Any, managers: tuple[str, ...] = ("host1",)) -> Any:
    """Return a variable of the role as the first of some hosts sees it, which is to be labelled."""
    hosts = {f"host{number}": {"host_state": found} for number, found in enumerate(facts, 1)}
    known = {host: {"inventory_hostname": host, "ansible_facts": hosts[host]} for host in hosts}
    return evaluated(
        name,
        "swarm",
        ansible_facts=hosts["host1"],
        ansible_play_hosts=list(hosts),
        ansible_play_hosts_all=list(hosts),
        hostvars=known,
        inventory_hostname="host1",
        swarm_managers=list(managers),
        swarm_labels=BEARS,
    )


def refusal(*facts: Any) -> str:
    """Return what the role says to these hosts, or nothing where it is content."""
    (rule,) = in_swarm("swarm_rules", *facts)
    return "" if rule["holds"] else str(rule["otherwise"])


@pytest.mark.parametrize(
    "nodes", [{"n1": {}, "n2": {}}, {"n1": BEARS, "n2": {}}, {"n1": BEARS, "n2": {"other": "true"}}]
)
def test_a_node_may_be_labelled_where_no_other_one_is(nodes: dict[str, dict[str, str]]) -> None:
    assert refusal(node(1, nodes), node(2)) == ""
    fresh = {"LocalNodeState": "inactive", "ControlAvailable": False, "NodeID": ""}
    assert refusal(node(1, swarm=fresh), node(2, swarm=fresh)) == ""


@pytest.mark.parametrize(
    "facts",
    [
        (node(1, {"n1": {}, "n2": BEARS}), node(2)),
        (node(1), node(2, {"n1": {}, "n2": BEARS})),
        (node(1, swarm={"LocalNodeState": "inactive", "ControlAvailable": False, "NodeID": ""}),
         node(2, {"n2": BEARS})),
    ],
    ids=["the first leads", "the other leads", "the first is new"],
)  # fmt: skip
def test_the_database_stays_where_it_lies_when_another_host_is_listed_first(facts: Any) -> None:
    assert refusal(*facts) == (
        "the database lies on host2; keep that host first in [[hosts]], or move the database as "
        "docs/howto/move-database.md says"
    )


def test_a_host_that_is_listed_no_more_is_named_as_the_swarm_knows_it() -> None:
    assert refusal(node(1, {"n1": {}, "n9": BEARS})).startswith("the database lies on name-of-n9; ")
    said = refusal(node(1, {"n1": {}, "n9": BEARS}, up=["n1"]))
    assert said.startswith("the database lies on name-of-n9, which is down; bring it up, or give")


def test_a_second_node_with_the_label_is_named() -> None:
    said = refusal(node(1, {"n1": BEARS, "n2": BEARS}), node(2))
    assert said.startswith(f"host2 has the label {LABEL} too, where Swarm could start an empty")


def test_whoever_leads_the_swarm_is_asked_even_where_another_host_is_to_lead_it() -> None:
    assert in_swarm("swarm_entry", node(1), node(2, {"n1": {}, "n2": {}})) == "host2"
    lost = node(1, {}, leaderless=True)
    leads = node(2, {"n1": {}, "n2": {}})
    assert in_swarm("swarm_entry", lost, leads, managers=("host1", "host2")) == "host2"
    assert in_swarm("swarm_entry", node(1), node(2)) == "host1"
    assert in_swarm("swarm_entry", node(1, {"n1": {}}), leads) == "host1"


def test_a_host_whose_engine_still_looks_for_its_swarm_belongs_to_it() -> None:
    swarm = {"LocalNodeState": "pending", "ControlAvailable": True, "NodeID": "n1"}
    lost = node(1, {}, swarm=swarm, leaderless=True)
    assert in_swarm("swarm_is_member", lost) is True
    assert in_swarm("swarm_is_lost", lost) is True
    assert in_swarm("swarm_joining", lost, node(2)) == []
    assert in_swarm("swarm_is_lost", node(1, {"n1": {}})) is False


def test_only_a_swarm_that_answered_is_said_to_be_another_one() -> None:
    assert "docker swarm leave" in in_swarm("swarm_foreign", node(1, {}))
    said = in_swarm("swarm_foreign", node(1))
    assert said.startswith("the host belongs to a Swarm none of whose managers is listed; add one")
