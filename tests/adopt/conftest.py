"""Lend each test a checkout of its own; the one that is deployed is taken away at the end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import local
from slipway.command import Shell
from slipway.secrets import Secret, generate
from tests.adopt import checkout
from tests.adopt.checkout import Checkout
from tests.e2e import machine


@pytest.fixture
def own(tmp_path: Path) -> Checkout:
    return checkout.fresh(tmp_path / "repo")


@pytest.fixture(scope="module")
def password() -> Secret:
    return generate(16)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, password: Secret) -> Iterator[Checkout]:
    """Return the checkout after the four commands, with a sandbox and a local site of its own."""
    machine.invoke("local.down")
    machine.invoke("sandbox.down", "--yes")
    found = checkout.fresh(tmp_path_factory.mktemp("adopt") / "repo")
    checkout.adopt(found)
    try:
        found.invoke("sandbox.up")
        found.invoke("local.up")
        Shell().run(replace(local.manage_command(found.root, "fill"), stdin=password))
        found.invoke("provision", "--yes")
        found.invoke("deploy")
        yield found
    finally:
        Shell().run(local.compose(found.root, "down", "--volumes", "--remove-orphans"))
        found.invoke("sandbox.down", "--yes")
