import json
import stat
from pathlib import Path

import pytest

from slipway.command import Shell
from slipway.sandbox import keys
from slipway.sandbox.keys import Keys


@pytest.fixture
def made(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / ".sandbox")
    assert keys.create(made, Shell())
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_for_their_owner_alone(made: Keys) -> None:
    assert mode(made.folder) == mode(made.identity.parent) == 0o700
    assert mode(made.identity) == mode(made.credentials) == mode(made.server) == 0o600


def test_the_server_knows_the_administrators_key_and_no_other(made: Keys) -> None:
    lines = made.credentials.read_text().splitlines()
    assert lines[0] == "[default]"
    pair = {"accessKey": lines[1].split(" = ")[1], "secretKey": lines[2].split(" = ")[1]}
    (identity,) = json.loads(made.server.read_text())["identities"]
    assert identity["credentials"] == [pair]
    assert "Admin" in identity["actions"]
    assert len(pair["accessKey"]) == 20
    assert len(pair["secretKey"]) == 40


def test_present_keys_are_kept(made: Keys) -> None:
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    assert len(before) == 4
    assert not keys.create(made, Shell())
    assert {path: path.read_bytes() for path in before} == before


def test_a_lost_key_is_made_anew_and_the_server_hears_of_it(made: Keys) -> None:
    before = made.server.read_text()
    made.credentials.unlink()
    assert keys.create(made, Shell())
    assert made.server.read_text() != before


def test_each_sandbox_has_keys_of_its_own(made: Keys, tmp_path: Path) -> None:
    other = Keys(tmp_path / "other")
    keys.create(other, Shell())
    assert other.credentials.read_text() != made.credentials.read_text()
    assert other.identity.read_text() != made.identity.read_text()
