"""Ship an image through a registry as a host would get it. Needs a Docker engine."""

from collections.abc import Iterator

import pytest

from slipway import baseimages, engine, shipping
from slipway.command import Shell
from slipway.engine import Engine
from slipway.errors import HostError
from slipway.settings.hosts import Host

IMAGE = "slipway-shipped:1"
HOST = Host("host1", "127.0.0.1")


@pytest.fixture(scope="module")
def here() -> Iterator[Engine]:
    with engine.local() as opened:
        baseimages.ensure([shipping.IMAGE, "debian:trixie-slim"])
        opened.client.api.tag("debian:trixie-slim", *shipping.split(IMAGE))
        yield opened
        opened.client.api.remove_image(IMAGE, noprune=True)


@pytest.fixture(scope="module")
def place(here: Engine) -> Iterator[str]:
    with shipping.registry(Shell()) as opened:
        assert here.client.ping()
        yield f"{opened._address}/team"


def test_a_registry_of_ones_own_is_used_by_digest(here: Engine, place: str) -> None:
    before = here.client.images.get(IMAGE).id
    assert shipping.ship_through(here, [(HOST, here)], IMAGE, place) >= 0
    assert here.client.images.get(IMAGE).id == before
    left = [tag for image in here.client.images.list() for tag in image.tags if place in tag]
    assert left == []


def test_what_the_registry_does_not_have_is_refused(here: Engine, place: str) -> None:
    with pytest.raises(HostError, match="docker: the engine refuses"):
        shipping.take(here, f"{place}/slipway-shipped", f"sha256:{'0' * 64}", IMAGE)
