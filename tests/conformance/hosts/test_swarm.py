"""The Swarm keeps its database on one node, and says what it lacks where it has no leader."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from slipway import baseimages
from slipway.environment import Environment
from slipway.errors import HostError
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
BARE = 'user = ""\nupdates = false\nfirewall = false\nssh_keys_only = false'
LABEL = "slipway.myapp-test.database"
PAGE = "docs/howto/move-database.md says"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Start two servers; the first leads the Swarm and holds the database."""
    baseimages.ensure([IMAGE])
    with serving(tmp_path_factory.mktemp("swarm"), IMAGE, IMAGE) as started:
        started.play_only("host", "docker_engine", "swarm")
        started.edit("roles/swarm/vars/main.yml", "swarm_patience: 60", "swarm_patience: 5")
        assert started.converge(settings(started))
        yield started


def settings(group: Group, *, manager: bool = False) -> Environment:
    return group.environment(f"[server]\n{BARE}", second={"manager": manager})


def turned(group: Group) -> Group:
    """Return the same servers, listed the other way round."""
    return replace(group, machines=group.machines[::-1])


def refused(group: Group, *, manager: bool = False) -> str:
    with pytest.raises(HostError) as failure:
        group.converge(settings(group, manager=manager))
    assert "\n" not in str(failure.value)
    return str(failure.value)


def labelled(asked: Machine, machine: Machine) -> bool:
    shown = asked.run("docker", "node", "inspect", "--format", "{{.Spec.Labels}}", machine.name)
    return LABEL in shown


def manages(asked: Machine, machine: Machine) -> bool:
    role = ("docker", "node", "inspect", "--format", "{{.Spec.Role}}", machine.name)
    return asked.run(*role) == "manager"


def stop_engine(machine: Machine) -> None:
    machine.run("systemctl", "stop", "docker.socket", "docker.service")


def test_another_host_that_is_listed_first_does_not_get_a_second_database(group: Group) -> None:
    first, second = group.machines
    assert labelled(first, first)
    said = refused(turned(group))
    assert said == (
        f"host1: the database lies on host2; keep that host first in [[hosts]], or move the "
        f"database as {PAGE}"
    )
    assert not labelled(first, second)
    assert group.converge(settings(group)) == []


def test_a_host_that_is_not_listed_any_more_keeps_the_database(group: Group) -> None:
    first, second = group.machines
    assert group.converge(settings(group, manager=True))
    assert manages(first, second)
    alone = replace(group, machines=(second,))
    said = refused(alone)
    assert said.startswith(f"host1: the database lies on {first.name}; keep that host first in ")
    assert not labelled(first, second)


def test_a_plan_is_refused_as_well_before_anything_is_changed(group: Group) -> None:
    with pytest.raises(HostError, match="the database lies on host2"):
        turned(group).converge(settings(turned(group)), check=True)


def test_managers_whose_engines_were_stopped_find_each_other_again(group: Group) -> None:
    first, second = group.machines
    environment = settings(group, manager=True)
    stop_engine(second)
    first.run("systemctl", "restart", "docker.service")
    assert first.try_("docker", "node", "ls").code != 0
    assert group.converge(environment, check=True)
    started = "~ host2: docker_engine: Start the engine, now and at boot"
    assert group.converge(environment) == [started]
    assert manages(second, first)
    assert group.converge(environment) == []


def test_a_swarm_without_a_leader_is_not_said_to_be_another_one(group: Group) -> None:
    first, second = group.machines
    stop_engine(second)
    first.run("systemctl", "restart", "docker.service")
    try:
        said = refused(replace(group, machines=(first,)))
    finally:
        second.run("systemctl", "start", "docker.service")
    assert said == "host1: the Swarm has no leader; bring up its other managers"


def test_a_database_that_was_moved_deliberately_has_its_label_elsewhere(group: Group) -> None:
    first, second = group.machines
    assert group.converge(settings(group))
    assert not manages(first, second)
    first.run("docker", "node", "update", "--label-rm", LABEL, first.name)
    assert turned(group).converge(settings(turned(group)))
    assert labelled(second, second)
    assert not labelled(second, first)
    assert manages(second, second)
    assert not manages(second, first)
    assert turned(group).converge(settings(turned(group))) == []


def test_a_host_of_another_swarm_is_told_to_leave_it(group: Group) -> None:
    first, second = group.machines
    first.run("docker", "swarm", "leave")
    first.run("docker", "swarm", "init", "--advertise-addr", first.address)
    said = refused(turned(group))
    assert said == (
        "host2: the host belongs to another Swarm; run 'docker swarm leave' there, or use another "
        "host"
    )
    second.run("docker", "node", "ls")
