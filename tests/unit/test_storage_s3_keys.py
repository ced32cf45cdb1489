import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from slipway.dsn import S3Dsn
from slipway.errors import DsnError
from slipway.secrets import Secret
from slipway.settings.storage import Storage
from slipway.storage import s3
from slipway.storage.s3_keys import Keys
from tests.unit.factory import environment


def keys(root: Path, before: str, note: dict[str, Any] | None) -> Keys:
    (root / ".state").mkdir(exist_ok=True)
    found = Keys(environment(root=root), "myapp-media", Mock())
    if note is not None:
        text = json.dumps({"user": "myapp-media", **note})
        (root / ".state" / "test-key.json").write_text(text)
    found.before = frozenset(before.split())
    return found


@pytest.mark.parametrize(
    ("before", "note", "present", "orphans"),
    [
        ("K0 K1", None, "K0", []),
        ("K0 K1", {"before": ["K0"], "made": "K1"}, "K0", ["K1"]),
        ("K0 K1", {"before": ["K0"], "made": "K1"}, "K1", []),
        ("K1", {"before": [], "made": "K1"}, "", ["K1"]),
        # No answer came: the only unknown one it is, or nobody knows.
        ("K0 K1", {"before": ["K0"]}, "K0", ["K1"]),
        ("K1", {"before": []}, "", ["K1"]),
        ("K1 K2", {"before": []}, "", []),
        # A colleague has made K2 since, and deleted the others.
        ("K2", {"before": ["K0"], "made": "K1"}, "K1", []),
        ("K2", {"before": ["K0"]}, "K0", []),
    ],
)
def test_only_a_key_that_a_killed_run_made_is_an_orphan(
    tmp_path: Path, before: str, note: dict[str, Any] | None, present: str, orphans: list[str]
) -> None:
    held = S3Dsn(present, Secret("s"), "bucket", "eu-central-1") if present else None
    assert keys(tmp_path, before, note).orphans(held) == orphans


def test_the_key_that_was_made_is_noted(tmp_path: Path) -> None:
    made = keys(tmp_path, "K0", None)
    answer = {"AccessKey": {"AccessKeyId": "K1", "SecretAccessKey": "s"}}
    made.iam.create_access_key = Mock(return_value=answer)
    made.create()
    noted = json.loads((tmp_path / ".state" / "test-key.json").read_text())
    assert noted == {"user": "myapp-media", "before": ["K0"], "made": "K1"}


ADDED = S3Dsn(
    "K", Secret("s"), "myapp-test", "us-east-1", "http://192.0.2.20:8333",
    cache_control="max-age=60", expire=120, url="https://cdn.example.com", acl="public-read",
)  # fmt: skip


def test_what_was_added_to_the_dsn_by_hand_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "client", Mock())
    wanted = Storage("s3", "myapp-test", endpoint="http://192.0.2.20:8333", public=True)
    site = environment(storage=wanted, variables={"DEFAULT_STORAGE_DSN": ADDED.render()})
    provider = s3.S3Provider(site)
    assert provider.dsn() == replace(ADDED, public=True)
    monkeypatch.setattr(provider._keys, "create", lambda: ("K2", Secret("s2")))
    provider._create_key()
    assert provider.dsn() == replace(ADDED, key="K2", secret=Secret("s2"))


def test_nothing_takes_the_place_of_a_dsn_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3, "client", Mock())
    site = environment(variables={"DEFAULT_STORAGE_DSN": Secret("s3://K@b.example.com/")})
    with pytest.raises(DsnError, match=r"^env/test\.env: DEFAULT_STORAGE_DSN: key, secret or"):
        s3.S3Provider(site)
