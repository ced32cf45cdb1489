"""What the variables of roles say of a host, evaluated as Ansible does, without any host."""

import functools
import json
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


@functools.cache
def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return found


@functools.cache
def templates(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = trusted(read(path)) if path.exists() else {}
    return found


def evaluated(name: str, *roles: str, **variables: Any) -> Any:
    """Return what a variable of these roles comes to, given further variables."""
    known: dict[str, Any] = {}
    for role in roles:
        for folder in ("defaults", "vars"):
            path = ROOT / "ansible" / "roles" / role / folder / "main.yml"
            known |= templates(path)
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


def of_database(name: str, major: int, found: dict[str, Any] | None = None, **given: Any) -> Any:
    """Return a variable of the database's role, for an image and what the volume holds."""
    state = {"clusters": {"myapp-test-services-data": found} if found else {}}
    defaults = {
        "ansible_facts": {"host_state": state},
        "database_image": f"postgres:{major}-trixie",
        "database_major": major,
        "database_manager": "host1",
        "database_stack": "myapp-test-services",
        "inventory_hostname": "host1",
    }
    return evaluated(name, "database", **defaults | given)


AT_ROOT = {"major": 17, "folder": "."}
APART = {"major": 18, "folder": "18/docker"}
NO_CLUSTER = {"major": 0, "folder": "."}


@pytest.mark.parametrize(
    ("major", "found", "mount", "data"),
    [
        (17, None, "/var/lib/postgresql/data", None),
        (17, NO_CLUSTER, "/var/lib/postgresql/data", None),
        (17, AT_ROOT, "/var/lib/postgresql/data", None),
        (0, AT_ROOT, "/var/lib/postgresql/data", None),
        (17, {"major": 17, "folder": "pgdata"}, "/var/lib/postgresql/data", None),
        (18, {"major": 18, "folder": "."}, "/var/lib/postgresql/data", None),
        (18, None, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
        (18, NO_CLUSTER, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
        (18, APART, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
        (0, APART, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
        (19, None, "/var/lib/postgresql", "/var/lib/postgresql/19/docker"),
    ],
)
def test_the_volume_is_mounted_where_the_image_looks_for_it(
    major: int, found: dict[str, Any] | None, mount: str, data: str | None
) -> None:
    assert of_database("database_mount", major, found) == mount
    environment = json.loads(of_database("database_environment", major, found))
    assert environment.get("PGDATA") == data
    assert environment["POSTGRES_PASSWORD_FILE"] == "/run/secrets/superuser"


@pytest.mark.parametrize(("major", "found"), [(18, AT_ROOT), (16, AT_ROOT), (17, APART)])
def test_another_main_version_than_that_of_the_data_is_refused(
    major: int, found: dict[str, Any]
) -> None:
    (rule,) = of_database("database_rules", major, found)
    assert rule["holds"] is False
    assert rule["otherwise"] == (
        f"the database's files are of PostgreSQL {found['major']}, which postgres:{major}-trixie "
        "cannot read; set [database] image back, or move the data as docs/howto/move-database.md "
        "says"
    )
    (elsewhere,) = of_database("database_rules", major, found, database_manager="host2")
    assert elsewhere["holds"] is True


@pytest.mark.parametrize(
    ("major", "found"), [(17, None), (17, NO_CLUSTER), (17, AT_ROOT), (18, APART), (0, APART)]
)
def test_the_version_of_the_data_is_taken(major: int, found: dict[str, Any] | None) -> None:
    (rule,) = of_database("database_rules", major, found)
    assert rule["holds"] is True
