"""A site's certificate is fetched over ACME, from an authority that the settings name."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from slipway import baseimages, probe, shipping
from slipway.checks import site as checks
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from tests.conformance.database.servers import docker, until
from tests.conformance.hosts.machines import ADDRESS, Group, serving

IMAGE, CADDY = "slipway-sandbox-host", "caddy:2"
# s; after an attempt that failed, Caddy makes the next one a minute later.
PATIENCE = 180
NAMES = ("www.example.test", "example.test")
ROOT = "/data/caddy/pki/authorities/local/root.crt"
STATE = "/var/lib/docker/volumes/slipway_proxy/_data/caddy"
CUT = b"""table inet cut {
	chain arriving {
		type filter hook prerouting priority -300; policy drop;
	}
}
"""
CADDYFILE = """{
	admin off
	skip_install_trust
}
https://%s {
	tls internal
	acme_server
}
"""
BARE = 'user = ""\nupdates = false\nssh_keys_only = false'


@dataclass(frozen=True)
class Authority:
    """Hold the container of an ACME server, and its address."""

    name: str
    address: str

    @property
    def directory(self) -> str:
        return f"https://{self.address}/acme/local/directory"

    @property
    def root(self) -> str:
        return docker("exec", self.name, "cat", ROOT) + "\n"


@contextmanager
def authority(site: str) -> Iterator[Authority]:
    """Run an ACME server to which the site's names lead to this address alone."""
    hosts = [f"--add-host={name}:{site}" for name in NAMES]
    name = docker("run", "--detach", "--entrypoint=sleep", *hosts, CADDY, "infinity")
    try:
        found = Authority(name, docker("inspect", "--format", ADDRESS, name))
        text = (CADDYFILE % found.address).encode()
        docker("exec", "--interactive", name, "tee", "/tmp/Caddyfile", stdin=text)
        docker("exec", "--detach", name, "caddy", "run", "--config", "/tmp/Caddyfile",
               "--adapter", "caddyfile")  # fmt: skip
        until(lambda: answers(found))
        yield found
    finally:
        docker("rm", "--force", "--volumes", name)


def answers(found: Authority) -> bool:
    try:
        socket.create_connection((found.address, 443), timeout=2).close()
    except OSError:
        return False
    return docker("exec", found.name, "find", ROOT) == ROOT


@dataclass(frozen=True)
class Provisioned:
    """Hold three hosts with a site, and the authority that the site names."""

    group: Group
    environment: Environment
    authority: Authority


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    baseimages.ensure([IMAGE, CADDY, "registry:2"])
    with (
        serving(tmp_path_factory.mktemp("acme"), *[IMAGE] * 3) as group,
        authority(group.machines[0].address) as own,
    ):
        group.play_only("host", "docker_engine", "access", "firewall", "swarm", "images",
                        "data_folder", "proxy")  # fmt: skip
        (group.root / "env" / "authority.pem").write_text(own.root)
        site = (
            f'url = "https://{NAMES[0]}"\naliases = ["{NAMES[1]}"]\n'
            f'acme_directory = "{own.directory}"\nacme_root_file = "env/authority.pem"'
        )
        more = f'[server]\n{BARE}\n[database]\nimage = "{CADDY}"'
        wanted = group.environment(more, site=site)
        with shipping.registry(Shell(), Console()) as registry:
            registry.push(CADDY)
            with registry.tunnels(list(wanted.hosts)) as port:
                group.converge(wanted, port=port)
        yield Provisioned(group, wanted, own)


def shows(served: Provisioned, name: str, number: int = 0) -> bool:
    """Return whether a host shows a certificate that this authority, and no other, has signed."""
    trusted = ssl.create_default_context(cadata=served.authority.root)
    address = served.group.machines[number].address
    try:
        with (
            socket.create_connection((address, 443), timeout=5) as plain,
            trusted.wrap_socket(plain, server_hostname=name),
        ):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_host_gets_a_certificate_for_every_name_though_the_authority_asks_but_one(
    served: Provisioned, number: int
) -> None:
    for name in NAMES:
        until(partial(shows, served, name, number), PATIENCE)


def test_a_certificate_is_fetched_though_one_of_the_other_hosts_is_down(
    served: Provisioned,
) -> None:
    _, second, third = served.group.machines
    for number in (1, 2):
        until(partial(shows, served, NAMES[0], number), PATIENCE)
    second.run("nft", "-f", "-", stdin=CUT)
    try:
        proxy = ("docker", "ps", "--quiet", "--filter", "name=slipway_proxy")
        third.run("rm", "-r", f"{STATE}/certificates")
        third.run("docker", "restart", third.run(*proxy))
        until(partial(shows, served, NAMES[0], 2), PATIENCE)
    finally:
        second.run("nft", "delete table inet cut")


def test_plain_http_leads_to_https(served: Provisioned) -> None:
    connection = http.client.HTTPConnection(served.group.machines[1].address, timeout=5)
    connection.request("GET", "/a?b", headers={"Host": NAMES[1]})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{NAMES[1]}/a?b")
    connection.close()


def test_a_second_run_changes_nothing(served: Provisioned) -> None:
    assert served.group.converge(served.environment) == []
    assert served.group.converge(served.environment, check=True) == []


def test_the_site_is_judged_by_its_own_authority(served: Provisioned) -> None:
    site, host = served.environment.site, served.environment.hosts[0]
    until(lambda: shows(served, site.domain), PATIENCE)
    assert checks._certificate(site, host, checks.ends(site, host)).text.startswith("good for 0")
    assert probe.ask(site, host).doubt == ""


def test_another_certificate_of_the_authority_is_brought_to_the_proxy(served: Provisioned) -> None:
    file = served.environment.site.acme_root_file
    assert file is not None
    file.write_text(f"{served.authority.root}# renewed\n")
    changed = served.group.converge(served.environment)
    assert "~ host1: proxy: Write the certificate of the site's ACME authority" in changed
    assert "~ host1: proxy: Have the proxy read its configuration" in changed
    assert served.group.converge(served.environment) == []
