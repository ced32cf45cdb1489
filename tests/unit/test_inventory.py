import shlex
from pathlib import Path
from typing import Any, cast

import pytest

from slipway.environment import Environment
from slipway.inventory import inventory, plain_name, service_images
from slipway.settings.database import Database
from slipway.settings.hosts import Host
from slipway.settings.server import Server
from slipway.settings.site import Site
from tests.unit.factory import environment

TWO = (
    Host("web1", "192.0.2.1", 2222, "deploy", Path("/keys/id"), Path("/my keys/known_hosts")),
    Host("web2", "192.0.2.2"),
)


def variables(of: Environment, host: str, port: int = 0) -> dict[str, Any]:
    meta = cast("dict[str, dict[str, dict[str, Any]]]", inventory(of, port)["_meta"])
    return meta["hostvars"][host]


def test_all_hosts_are_listed_in_their_order() -> None:
    assert inventory(environment(hosts=TWO))["all"] == {"hosts": ["web1", "web2"]}


def test_a_host_is_reached_as_the_environment_says() -> None:
    found = variables(environment(hosts=TWO), "web1")
    assert found["ansible_host"] == "192.0.2.1"
    assert found["ansible_port"] == 2222
    assert found["ansible_user"] == "deploy"
    assert found["ansible_ssh_private_key_file"] == "/keys/id"


def test_only_another_user_than_root_needs_sudo() -> None:
    hosts = environment(hosts=TWO)
    assert variables(hosts, "web1")["ansible_become"] is True
    assert variables(hosts, "web2")["ansible_become"] is False


def test_host_keys_are_checked_against_the_pinned_file_even_with_a_space_in_its_name() -> None:
    words = shlex.split(variables(environment(hosts=TWO), "web1")["ansible_ssh_common_args"])
    assert 'UserKnownHostsFile="/my keys/known_hosts"' in words
    assert "StrictHostKeyChecking=yes" in words
    assert "IdentitiesOnly=yes" in words


def test_ansible_and_the_tasks_share_a_connection() -> None:
    path = variables(environment(hosts=TWO), "web1")["ansible_control_path"]
    assert path == f"%(directory)s/{TWO[0].connection}"


def test_without_files_of_its_own_ssh_decides() -> None:
    found = variables(environment(hosts=TWO), "web2")
    assert "ansible_ssh_private_key_file" not in found
    assert "UserKnownHostsFile" not in found["ansible_ssh_common_args"]
    assert "IdentitiesOnly" not in found["ansible_ssh_common_args"]


def test_the_first_host_and_those_that_are_told_may_lead_the_swarm() -> None:
    third = Host("web3", "192.0.2.3", manager=True)
    hosts = environment(hosts=(*TWO, third))
    assert variables(hosts, "web2")["swarm_managers"] == ["web1", "web3"]


def test_the_first_host_leads_and_holds_the_database() -> None:
    hosts = environment(hosts=TWO)
    for name in ("web1", "web2"):
        assert variables(hosts, name)["swarm_managers"] == ["web1"]
    label = variables(hosts, "web1")["database_label"]
    assert variables(hosts, "web1")["swarm_labels"] == {label: "true"}
    assert variables(hosts, "web2")["swarm_labels"] == {}


def test_only_packages_that_are_needed_are_installed() -> None:
    bare = Server(user="", firewall=False, updates=False)
    assert variables(environment(server=bare), "host1")["host_packages"] == []
    assert "nftables" in variables(environment(), "host1")["host_packages"]


def test_names_follow_the_stack() -> None:
    found = variables(environment(project="shop", name="live"), "host1")
    assert found["swarm_networks"] == ["slipway-proxy", "shop-live"]
    assert found["data_folder_home"] == "/srv/slipway/shop-live"
    assert found["database_stack"] == "shop-live-services"
    assert found["database_network"] == "shop-live"
    assert found["proxy_upstream"] == "shop-live_web"


def test_the_proxy_serves_all_names_and_only_https_urls_over_tls() -> None:
    site = Site("https://www.example.com", ("example.com",))
    found = variables(environment(site=site), "host1")
    assert found["proxy_domains"] == ["www.example.com", "example.com"]
    assert found["proxy_tls"] == "acme"
    assert variables(environment(), "host1")["proxy_tls"] == "none"
    sandbox = Site("https://test.localhost:8443", tls="internal")
    assert variables(environment(site=sandbox), "host1")["proxy_tls"] == "internal"


def test_the_proxy_is_told_which_acme_authority_to_ask() -> None:
    assert variables(environment(), "host1")["proxy_acme_directory"] == ""
    assert variables(environment(), "host1")["proxy_acme_root_file"] == ""
    own = Site("https://www.example.com", (), "acme", "https://ca.example.com/d", Path("/ca.pem"))
    found = variables(environment(site=own), "host1")
    assert found["proxy_acme_directory"] == "https://ca.example.com/d"
    assert found["proxy_acme_root_file"] == "/ca.pem"


def test_hosts_are_told_which_engine_to_install() -> None:
    assert variables(environment(), "host1")["docker_engine_package"] == "docker.io"
    own = environment(server=Server(engine="docker-ce"))
    assert variables(own, "host1")["docker_engine_package"] == "docker-ce"


def test_the_registry_port_reaches_every_host() -> None:
    hosts = environment(hosts=TWO)
    assert [variables(hosts, name, 5000)["images_registry_port"] for name in ("web1", "web2")] == [
        5000,
        5000,
    ]
    assert variables(hosts, "web1")["images_registry_port"] == 0


def test_service_images_are_those_that_the_hosts_are_told() -> None:
    wanted = environment(database_service=Database(image="postgres"))
    assert service_images(wanted) == ("caddy:2", "postgres:latest")
    assert tuple(variables(wanted, "host1")["images_names"]) == service_images(wanted)


@pytest.mark.parametrize(
    ("image", "major"),
    [
        ("postgres:17-trixie", 17),
        ("postgres:18", 18),
        ("postgres:9.6", 9),
        ("docker.io/library/postgres:17@sha256:0123", 17),
        ("registry.example.com:5000/pg:16.4", 16),
        ("postgis/postgis:17-3.5", 17),
        ("timescale/timescaledb:2.17.2-pg17", 17),
        ("timescale/timescaledb:latest-pg16", 16),
        ("pgvector/pgvector:pg18", 18),
        ("registry.example.com/postgres17:stable", 17),
        ("postgres", 0),
        ("postgres:latest", 0),
        ("postgres@sha256:17", 0),
        ("registry.example.com/17/pg:20260101", 0),
    ],
)
def test_an_images_name_tells_its_main_version(image: str, major: int) -> None:
    found = variables(environment(database_service=Database(image=image)), "host1")
    assert found["database_major"] == major


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("postgres:17-trixie", "postgres:17-trixie"),
        ("postgres", "postgres:latest"),
        ("docker.io/library/postgres:17", "postgres:17"),
        ("docker.io/team/postgis", "team/postgis:latest"),
        ("library/caddy:2", "caddy:2"),
        ("registry.example.com:5000/pg", "registry.example.com:5000/pg:latest"),
        ("registry.example.com:5000/pg:17", "registry.example.com:5000/pg:17"),
        ("postgres@sha256:0123", "postgres@sha256:0123"),
    ],
)
def test_image_names_are_as_the_engine_lists_them(image: str, name: str) -> None:
    assert plain_name(image) == name
