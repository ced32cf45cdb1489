"""A site's certificate is fetched over ACME, from an authority that the settings name."""

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
NAMES = ("www.example.test", "example.test")
ROOT = "/data/caddy/pki/authorities/local/root.crt"
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
    """Run an ACME server that finds the site's names at this address."""
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
    """Hold a host with its site, and the authority that the site names."""

    group: Group
    environment: Environment
    authority: Authority


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    baseimages.ensure([IMAGE, CADDY, "registry:2"])
    with (
        serving(tmp_path_factory.mktemp("acme"), IMAGE) as group,
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


def certificate(served: Provisioned, name: str) -> bytes:
    """Return the certificate that the host shows, if this authority and no other signed it."""
    trusted = ssl.create_default_context(cadata=served.authority.root)
    address = served.group.machines[0].address
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        trusted.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def shows(served: Provisioned, name: str) -> bool:
    try:
        return certificate(served, name) != b""
    except OSError:
        return False


def test_every_name_of_the_site_gets_a_certificate_of_the_authority(served: Provisioned) -> None:
    for name in NAMES:
        until(partial(shows, served, name))
    log = served.group.machines[0].try_("docker", "service", "logs", "--raw", "slipway_proxy")
    assert "certificate obtained successfully" in log.stdout + log.stderr


def test_a_second_run_changes_nothing(served: Provisioned) -> None:
    assert served.group.converge(served.environment) == []
    assert served.group.converge(served.environment, check=True) == []


def test_the_site_is_judged_by_its_own_authority(served: Provisioned) -> None:
    site, host = served.environment.site, served.environment.hosts[0]
    until(lambda: shows(served, site.domain))
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
