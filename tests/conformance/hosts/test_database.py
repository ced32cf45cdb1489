"""The database goes on serving whatever image is asked for; each version has its own place."""

from collections.abc import Iterator

import pytest

from slipway import baseimages
from slipway.command import Command
from slipway.environment import Environment
from slipway.errors import HostError
from tests.conformance.database.servers import until
from tests.conformance.hosts.machines import Group, Machine, serving, shell

IMAGE, POSTGRES = "slipway-sandbox-host", "postgres:17-trixie"
BARE = 'user = ""\nupdates = false\nfirewall = false\nssh_keys_only = false'
SERVICES, VOLUME = "myapp-test-services", "myapp-test-services-data"
ROLES = ("host", "docker_engine", "swarm", "data_folder")
# The same server under other names: what its tag says is believed before it is asked itself.
NAMED_18, NAMELESS = "postgres:18-trixie", "postgres:newest"
SAYS_18 = b"#!/bin/sh\necho 'postgres (PostgreSQL) 18.1'\n"
PAGE = "docs/howto/move-database.md says"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Provision a server with a database of version 17."""
    baseimages.ensure([IMAGE, POSTGRES])
    with serving(tmp_path_factory.mktemp("database"), IMAGE) as started:
        started.play_only(*ROLES)
        started.converge(settings(started))
        load(started.machines[0])
        started.play_only(*ROLES, "database")
        assert started.converge(settings(started))
        yield started


def load(machine: Machine) -> None:
    saved, loads = f"docker save {POSTGRES}", f"docker exec -i {machine.name} docker load --quiet"
    shell.run(Command.of("sh", "-c", f"{saved} | {loads}"))
    machine.run("docker", "tag", POSTGRES, NAMED_18)
    machine.run("docker", "create", "--name", "other", POSTGRES)
    machine.run("install", "-m", "755", "/dev/stdin", "/srv/postgres", stdin=SAYS_18)
    machine.run("docker", "cp", "/srv/postgres", "other:/usr/lib/postgresql/17/bin/postgres")
    machine.run("docker", "commit", "other", NAMELESS)
    machine.run("docker", "rm", "--volumes", "other")


def settings(group: Group, image: str = POSTGRES) -> Environment:
    return group.environment(f'[server]\n{BARE}\n[database]\nimage = "{image}"')


def container(machine: Machine) -> str:
    running = ("docker", "ps", "--quiet", "--filter", f"name={SERVICES}_db")
    return machine.run(*running)


def refused(group: Group, image: str, *, check: bool = False) -> str:
    """Ask for another image, expect one line of refusal, and find the database as it was."""
    before = container(group.machines[0])
    with pytest.raises(HostError) as failure:
        group.converge(settings(group, image), check=check)
    assert container(group.machines[0]) == before
    assert before
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_an_image_of_another_version_is_refused_before_anything_is_changed(
    group: Group, check: bool
) -> None:
    assert refused(group, NAMED_18, check=check) == (
        f"host1: the database's files are of PostgreSQL 17, which {NAMED_18} cannot read; set "
        f"[database] image back, or move the data as {PAGE}"
    )


def test_an_image_whose_name_tells_no_version_is_asked_itself(group: Group) -> None:
    said = refused(group, NAMELESS)
    assert said.startswith(f"host1: the database's files are of PostgreSQL 17, which {NAMELESS} ")


def test_a_second_run_changes_nothing(group: Group) -> None:
    assert group.converge(settings(group)) == []


def test_from_18_on_the_version_has_a_folder_of_its_own_in_the_volume(group: Group) -> None:
    machine = group.machines[0]
    machine.run("docker", "stack", "rm", SERVICES)
    until(lambda: machine.try_("docker", "volume", "rm", VOLUME).code == 0, 60)
    assert group.converge(settings(group, NAMED_18))
    data = f"/var/lib/docker/volumes/{VOLUME}/_data"
    assert machine.run("cat", f"{data}/18/docker/PG_VERSION") == "17"
    shown = machine.run("docker", "exec", container(machine), "psql", "--username=postgres",
                        "--tuples-only", "--no-align", "--command=SHOW data_directory")  # fmt: skip
    assert shown == "/var/lib/postgresql/18/docker"
