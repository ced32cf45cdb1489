"""Provision three fresh servers once: Debian 13 and 12, all of them managers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from slipway import baseimages, inventory, shipping
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from tests.conformance.hosts.machines import Group, serving
from tests.e2e.machine import Sampler

NEW, OLD = "slipway-sandbox-host", "slipway-sandbox-host-12"
SITE = 'url = "https://test.localhost:8443"\ntls = "internal"'


@dataclass
class Story:
    """Hold the servers, and what each run of the playbook listed."""

    group: Group
    environment: Environment
    planned: list[str]
    made: list[str]
    planned_after: list[str]
    made_after: list[str]
    argv: set[bytes]

    def change(self, more: str = "", **changes: Any) -> list[str]:
        """Provision with other settings; return what changed."""
        return self.group.converge(self.group.environment(more, site=SITE, **changes))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    baseimages.ensure([NEW, OLD, "registry:2", "caddy:2", "postgres:17-trixie"])
    with serving(tmp_path_factory.mktemp("hosts"), NEW, OLD, NEW) as group:
        wanted = group.environment(site=SITE, manager=True)
        planned = group.converge(wanted, check=True)
        with Sampler() as sampler, shipping.registry(Shell(), Console()) as registry:
            for image in inventory.service_images(wanted):
                registry.push(image)
            with registry.tunnels(list(wanted.hosts)) as port:
                made = group.converge(wanted, port=port)
        planned_after = group.converge(wanted, check=True)
        again = group.converge(wanted)
        yield Story(group, wanted, planned, made, planned_after, again, sampler.seen)
