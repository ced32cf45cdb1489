"""Tell Ansible which hosts there are and what their roles need to know (pure)."""

import re

from slipway.environment import Environment
from slipway.settings.hosts import Host

PROXY_IMAGE = "caddy:2"
PROXY_NETWORK = "slipway-proxy"


def inventory(environment: Environment, registry_port: int = 0) -> dict[str, object]:
    """Return the inventory in the form that Ansible expects of an inventory script.

    `registry_port` is the port on each host's loopback behind which the workstation's image
    registry answers; with 0 the hosts pull from the registries that the image names say.
    """
    hosts = {
        host.name: {**_connection(host), **_variables(environment, host, registry_port)}
        for host in environment.hosts
    }
    return {"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}


def service_images(environment: Environment) -> tuple[str, ...]:
    """Return the images that the hosts need before any release, under their plain names."""
    return plain_name(PROXY_IMAGE), plain_name(environment.database_service.image)


def plain_name(image: str) -> str:
    """Return an image's name as the engine lists it: without docker.io, with a tag."""
    name = re.sub(r"^(docker\.io/)?(library/)?", "", image)
    return name if re.search(r"[:@][^/]+$", name) else f"{name}:latest"


def _connection(host: Host) -> dict[str, object]:
    found: dict[str, object] = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_become": host.user != "root",
        "ansible_ssh_common_args": " ".join(_ssh_words(host)),
        "ansible_control_path": f"%(directory)s/{host.connection}",
    }
    if host.identity_file:
        found["ansible_ssh_private_key_file"] = str(host.identity_file)
    return found


def _ssh_words(host: Host) -> list[str]:
    words = ["-o BatchMode=yes", "-o StrictHostKeyChecking=yes"]
    if host.identity_file:
        words.append("-o IdentitiesOnly=yes")
    if host.known_hosts_file:
        # Quoted twice: Ansible splits the words, and ssh splits the list of files.
        words.append(f"""-o 'UserKnownHostsFile="{host.known_hosts_file}"'""")
    return words


def _variables(environment: Environment, host: Host, registry_port: int) -> dict[str, object]:
    return {
        **_of_host(environment),
        **_of_engine(environment, host, registry_port),
        **_of_proxy(environment),
        **_of_database(environment),
    }


def _of_host(environment: Environment) -> dict[str, object]:
    server = environment.server
    packages = {
        "nftables": server.firewall,
        "unattended-upgrades": server.updates,
        "sudo": bool(server.user),
    }
    return {
        "host_packages": [name for name, wanted in packages.items() if wanted],
        "upkeep_updates": server.updates,
        "upkeep_journal_size": server.journal_size,
        "access_user": server.user,
        "access_harden": server.ssh_keys_only,
        "firewall_enabled": server.firewall,
        "firewall_ports": [int(port) for port in server.open_ports],
        "firewall_node_addresses": [host.address for host in environment.hosts],
    }


def _of_engine(environment: Environment, host: Host, registry_port: int) -> dict[str, object]:
    first = environment.manager
    return {
        "docker_engine_package": environment.server.engine,
        "swarm_managers": [one.name for one in environment.hosts if one.manager or one == first],
        "swarm_address": host.address,
        "swarm_labels": {_label(environment): "true"} if host == first else {},
        "swarm_networks": [PROXY_NETWORK, environment.stack],
        "images_names": list(service_images(environment)),
        "images_registry_port": registry_port,
        "data_folder_home": _home(environment),
    }


def _of_proxy(environment: Environment) -> dict[str, object]:
    site = environment.site
    on_volume = environment.storage.provider == "volume"
    return {
        "proxy_manager": environment.manager.name,
        "proxy_image": plain_name(PROXY_IMAGE),
        "proxy_network": PROXY_NETWORK,
        "proxy_site": environment.stack,
        "proxy_domains": [site.domain, *site.aliases],
        "proxy_tls": site.tls if site.secure else "none",
        "proxy_acme_directory": site.acme_directory,
        "proxy_acme_root_file": str(site.acme_root_file or ""),
        "proxy_upstream": f"{environment.stack}_web",
        "proxy_media": f"{_home(environment)}/data/media" if on_volume else "",
    }


def _of_database(environment: Environment) -> dict[str, object]:
    return {
        "database_manager": environment.manager.name,
        "database_stack": f"{environment.stack}-services",
        "database_folder": _home(environment),
        "database_image": plain_name(environment.database_service.image),
        "database_major": environment.database_service.major,
        "database_memory": environment.database_service.memory,
        "database_network": environment.stack,
        "database_label": _label(environment),
    }


def _home(environment: Environment) -> str:
    return f"/srv/slipway/{environment.stack}"


def _label(environment: Environment) -> str:
    return f"slipway.{environment.stack}.database"
