"""The same promises on a host's own disk, served by its proxy."""

import http.client
from collections.abc import Iterator

import pytest

from slipway import baseimages, shipping
from slipway.command import Shell
from slipway.console import Console
from slipway.dsn import FileDsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.storage import provider
from tests.conformance.database.servers import until
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE, CADDY = "slipway-sandbox-host", "caddy:2"
MEDIA = "/srv/slipway/myapp-test/data/media"
BARE = 'user = ""\nupdates = false\nfirewall = false\nssh_keys_only = false'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Group, Environment]]:
    baseimages.ensure([IMAGE, CADDY, "registry:2"])
    with serving(tmp_path_factory.mktemp("volume"), IMAGE) as group:
        group.play_only("host", "docker_engine", "swarm", "images", "data_folder", "proxy")
        more = f'[server]\n{BARE}\n[database]\nimage = "{CADDY}"'
        wanted = group.environment(more, storage='provider = "volume"')
        with shipping.registry(Shell(), Console()) as registry:
            registry.push(CADDY)
            with registry.tunnels(list(wanted.hosts)) as port:
                group.converge(wanted, port=port)
        yield group, wanted


@pytest.fixture
def machine(served: tuple[Group, Environment]) -> Machine:
    return served[0].machines[0]


@pytest.fixture
def site(served: tuple[Group, Environment]) -> Iterator[Environment]:
    yield served[1]
    for step in provider(served[1]).removal():
        step.act()


def changes(site: Environment) -> list[str]:
    return [step.change.line() for step in provider(site).steps()]


def converged(site: Environment) -> None:
    for step in provider(site).steps():
        step.act()


def put(machine: Machine, name: str, body: bytes = b"x") -> None:
    machine.run("install", "-D", "-o", "1000", "/dev/stdin", f"{MEDIA}/{name}", stdin=body)


def answer(machine: Machine, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(machine.address, timeout=10)
    connection.request("GET", path, headers={"Host": "test.localhost"})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_a_second_run_changes_nothing_and_the_dsn_is_proven(
    machine: Machine, site: Environment
) -> None:
    assert len(changes(site)) == 1
    converged(site)
    assert changes(site) == []
    made = provider(site)
    made.steps()
    assert [note for note in made.notes if "keeps no old versions" in note]
    assert isinstance(made.dsn(), FileDsn)
    until(lambda: answer(machine, "/")[0] == 503)
    made.prove()
    assert made.holds() == 0


def test_the_public_reads_a_file_and_cannot_list(machine: Machine, site: Environment) -> None:
    converged(site)
    put(machine, "a b/é.txt", b"content")
    assert answer(machine, "/media/a%20b/%C3%A9.txt") == (200, b"content")
    for path in ("/media/", "/media/a%20b/", "/media/missing.txt"):
        assert answer(machine, path)[0] == 404
    put(machine, "../private.txt", b"private")
    for path in ("/media/../private.txt", "/media/%2e%2e/private.txt", "/media/..%2fprivate.txt"):
        assert b"private" not in answer(machine, path)[1]
    machine.run("rm", f"{MEDIA}/../private.txt")


def test_no_link_leads_the_public_out_of_the_media(machine: Machine, site: Environment) -> None:
    converged(site)
    put(machine, "here.txt", b"content")
    put(machine, "../private.txt", b"private")
    # What the site's own code, or an archive that it unpacks, may leave.
    links = {
        "key": "/etc/caddy/Caddyfile",
        "up": "../private.txt",
        "root": "/",
        "own": "here.txt",
    }
    for name, leads in links.items():
        machine.run("ln", "-sfn", leads, f"{MEDIA}/{name}")
    assert answer(machine, "/media/here.txt") == (200, b"content")
    paths = [f"/media/{name}" for name in ("key", "up", "root/etc/passwd", "own")]
    assert all(answer(machine, path)[0] in {400, 403, 404} for path in paths)
    machine.run("rm", f"{MEDIA}/../private.txt", *(f"{MEDIA}/{name}" for name in links))


def test_a_disk_below_is_shown_without_links_too(machine: Machine, site: Environment) -> None:
    converged(site)
    machine.run("mkdir", "-p", "/srv/slipway/other/data")
    machine.run("mount", "-t", "tmpfs", "tmpfs", "/srv/slipway/other/data")
    try:
        machine.run("systemctl", "restart", "slipway-sites.service")
        seen = machine.run("findmnt", "-Rlno", "TARGET,OPTIONS", "/run/slipway/sites").splitlines()
        assert len(seen) == 2
        assert all({"ro", "nosymfollow"} < {*line.split()[1].split(",")} for line in seen)
        # Where a step fails nothing is shown rather than half of it.
        machine.run("mv", "/usr/bin/findmnt", "/usr/bin/findmnt.away")
        assert machine.try_("systemctl", "restart", "slipway-sites.service").code != 0
        assert machine.run("cat", "/proc/mounts").count("/run/slipway/sites") == 0
    finally:
        machine.try_("mv", "/usr/bin/findmnt.away", "/usr/bin/findmnt")
        machine.run("umount", "--recursive", "/srv/slipway/other/data")
        machine.run("systemctl", "restart", "slipway-sites.service")


def test_a_folder_that_the_site_may_not_write_to_is_mended(
    machine: Machine, site: Environment
) -> None:
    converged(site)
    machine.run("chown", "root:root", MEDIA)
    assert "owned by the site" in changes(site)[0]
    converged(site)
    assert changes(site) == []
    assert machine.run("stat", "--format", "%u:%g", MEDIA) == "1000:1000"


def test_a_disk_that_the_proxy_does_not_see_is_not_proven(
    machine: Machine, site: Environment
) -> None:
    converged(site)
    # As when somebody mounts a disk there while the proxy runs.
    machine.run("mount", "-t", "tmpfs", "tmpfs", MEDIA)
    try:
        with pytest.raises(StorageError):
            provider(site).prove()
    finally:
        machine.run("umount", MEDIA)


def test_there_is_no_key_to_renew(site: Environment) -> None:
    converged(site)
    made = provider(site)
    made.steps()
    assert not made.renew()
    made.retire()
    assert changes(site) == []


def test_removal_leaves_nothing_behind(machine: Machine, site: Environment) -> None:
    converged(site)
    for name in ("a.txt", "b/c.txt"):
        put(machine, name)
    assert provider(site).holds() == 2
    for step in provider(site).removal():
        step.act()
    assert provider(site).removal() == []
    assert len(changes(site)) == 1
    assert machine.try_("ls", MEDIA).code != 0
