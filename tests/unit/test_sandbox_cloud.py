from pathlib import Path
from unittest.mock import Mock

import pytest

from slipway.console import Console
from slipway.errors import ConfigurationError
from slipway.sandbox import azure, cloud
from slipway.sandbox.keys import Keys
from slipway.storage import azure_rules
from tests.unit.factory import ROOT


def test_hosts_have_the_names_and_addresses_that_env_three_toml_knows() -> None:
    from slipway import environment

    hosts = environment.load("three", ROOT).hosts
    nodes = [cloud.Node(number) for number in (1, 2, 3)]
    assert [(one.name, one.address) for one in nodes] == [(h.name, h.address) for h in hosts]
    assert all(host.manager for host in hosts)
    assert nodes[2].container == "slipway-host3"


@pytest.mark.parametrize(("there", "asked", "count"), [((), 1, 1), ((1, 2, 3), 1, 3), ((1,), 3, 3)])
def test_hosts_that_are_there_stay(there: tuple[int, ...], asked: int, count: int) -> None:
    names = {cloud.Node(number).container for number in there}
    containers = Mock(is_there=lambda name: name in names)
    assert [node.number for node in cloud._nodes(containers, asked)] == [*range(1, count + 1)]


@pytest.mark.parametrize("hosts", [0, 10])
def test_a_number_of_hosts_that_has_no_addresses_is_refused(hosts: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--hosts: cannot be"):
        cloud.up(tmp_path, Console(), hosts)


def test_an_unknown_storage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--storage: cannot be gcs; choose s3 or azure"):
        cloud.up(tmp_path, Console(), 1, "gcs")


def test_env_azure_toml_names_the_sandboxs_account_and_its_key(tmp_path: Path) -> None:
    from slipway import environment

    found = Keys(tmp_path / ".sandbox")
    found.folder.mkdir()
    assert azure.create_key(found)
    assert not azure.create_key(found)
    storage = environment.load("azure", ROOT).storage
    assert storage.endpoint == azure.URL
    assert azure_rules.account_of(azure.URL) == azure.ACCOUNT
    assert storage.credentials_file == Keys(ROOT / ".sandbox").azure
    key = environment.read_variables(found.azure)["AZURE_STORAGE_KEY"]
    assert found.azure_server.read_text() == f"slipway:{key.reveal()}"
    for path in (found.azure, found.azure_server):
        assert path.stat().st_mode & 0o777 == 0o600
