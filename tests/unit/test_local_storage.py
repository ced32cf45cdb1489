import stat
from pathlib import Path

import pytest

from slipway import local_storage
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.environment import read_variables
from slipway.errors import ConfigurationError, Declined
from slipway.secrets import Secret

BUCKET = "s3://key:secret@site.192.0.2.20:8333/?endpoint=http%3A%2F%2F192.0.2.20%3A8333"
TOML = """
project = "myapp"
[site]
url = "http://test.localhost:8080"
[[hosts]]
name = "host1"
address = "192.0.2.10"
[storage]
provider = "s3"
bucket = "site"
endpoint = "http://192.0.2.20:8333"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    env = tmp_path / "env"
    env.mkdir()
    (env / "local.env").write_text("DEBUG=True\nDEFAULT_STORAGE_DSN=file:///data/media/\n")
    for name, dsn in (("test", BUCKET), ("live", BUCKET), ("volume", "file:///data/media/")):
        (env / f"{name}.toml").write_text(TOML)
        (env / f"{name}.env").write_text(f"DEFAULT_STORAGE_DSN={dsn}\n")
        (env / f"{name}.env").chmod(0o600)
    return tmp_path


def test_the_local_site_reads_a_copy_with_the_environments_dsn(root: Path) -> None:
    before = (root / "env" / "local.env").read_text()
    assert local_storage.switch(root, "test", Console()).reveal() == BUCKET
    path = local_storage.env_file(root)
    found = {name: value.reveal() for name, value in read_variables(path).items()}
    assert found == {"DEBUG": "True", "DEFAULT_STORAGE_DSN": BUCKET}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (root / "env" / "local.env").read_text() == before


def test_one_step_leads_back(root: Path) -> None:
    local_storage.switch(root, "test", Console())
    local_storage.switch_back(root)
    assert local_storage.env_file(root) == root / "env" / "local.env"


def test_live_wants_its_name_typed(root: Path) -> None:
    with pytest.raises(Declined):
        local_storage.switch(root, "live", Console())
    assert local_storage.env_file(root) == root / "env" / "local.env"
    local_storage.switch(root, "live", Console(assume_yes=True))
    assert local_storage.env_file(root) != root / "env" / "local.env"


def test_a_folder_of_a_host_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="out of reach from here"):
        local_storage.switch(root, "volume", Console())


class Networks(Shell):
    """Answer as Docker does with one network."""

    def run(self, command: Command, **_: object) -> Result:
        listed = '[{"Name": "cloud", "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}}]'
        return Result(0, "1\n" if "ls" in command.argv else listed, "")


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        (BUCKET, "cloud"),
        (BUCKET.replace("192.0.2.20", "198.51.100.1"), ""),
        ("s3://key:secret@site.s3.amazonaws.com/", ""),
    ],
)
def test_the_network_of_a_storage_in_a_container_is_found(dsn: str, name: str) -> None:
    assert local_storage.network(Networks(), Secret(dsn)) == name
