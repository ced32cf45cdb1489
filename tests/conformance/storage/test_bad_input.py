"""What is wrong is said in one line, within seconds, and nothing is half done."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import CorsRule

from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.storage import provider
from tests.conformance.storage import places
from tests.conformance.storage.places import Place
from tests.unit.factory import environment

# On a quiet machine each takes less than five; a busy one is given more.
SECONDS = 20


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with places.seaweedfs(tmp_path_factory.mktemp("weed")) as started:
        yield started


@pytest.fixture
def site(weed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in weed.administrator.items():
        monkeypatch.setenv(name, value)
    return environment(root=tmp_path, storage=weed.wanted("bad-input"))


@contextmanager
def refused(said: str) -> Iterator[None]:
    begin = time.monotonic()
    with pytest.raises(StorageError, match=said) as caught:
        yield
    assert time.monotonic() - begin < SECONDS
    assert "\n" not in str(caught.value)
    assert "slipway-test-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch; check the administrator's sec"),
        ("AWS_ACCESS_KEY_ID", "AKIAWRONG", "InvalidAccessKeyId; check the administrator's key"),
    ],
)
def test_wrong_credentials(
    site: Environment, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    with monkeypatch.context() as wrong, refused(said):
        wrong.setenv(variable, value)
        provider(site).steps()
    assert len(provider(site).steps()) > 5


def test_an_endpoint_where_nobody_listens(site: Environment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        away = replace(site, storage=replace(site.storage, endpoint=nobody))
        with refused("does not answer; check storage.endpoint and the network"):
            provider(away).steps()


def test_an_endpoint_that_no_name_server_knows(site: Environment) -> None:
    away = replace(site, storage=replace(site.storage, endpoint="http://nowhere.invalid:1"))
    with refused("does not answer; check storage.endpoint and the network"):
        provider(away).steps()


def test_a_clock_that_is_off_by_an_hour(site: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(remove_tzinfo: bool = True) -> datetime:
        now = datetime.now(UTC) - timedelta(hours=1)
        return now.replace(tzinfo=None) if remove_tzinfo else now

    with monkeypatch.context() as wrong, refused("RequestTimeTooSkewed; set this machine's clock"):
        wrong.setattr("botocore.auth.get_current_datetime", late)
        provider(site).steps()
    assert len(provider(site).steps()) > 5


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("no base64!", "check the account's key"),
        ("d3Jvbmc=", "check the account's key, and this machine's clock"),
    ],
)
def test_wrong_credentials_of_azure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, azure: Place, key: str, said: str
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_KEY", key)
    site: Any = environment(root=tmp_path, storage=azure.wanted("bad-input"))
    with refused(said):
        provider(site).steps()


def test_an_azure_account_with_five_cors_rules_of_others_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, azure: Place
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_KEY", places.ACCOUNT_KEY)
    made: Any = provider(environment(root=tmp_path, storage=azure.wanted("bad-input")))
    theirs = [CorsRule([f"https://{number}.example.com"], ["GET"]) for number in range(5)]
    made._service.set_service_properties(cors=theirs)
    with refused("has 5 CORS rules of others already"):
        made._put_cors()
    left = made._service.get_service_properties()["cors"]
    assert [one.allowed_origins for one in left] == [one.allowed_origins for one in theirs]
    made._service.set_service_properties(cors=[])


def test_azure_without_credentials_or_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"):
        monkeypatch.delenv(name, raising=False)
    away = Place("azure", "http://127.0.0.1:9/slipway", {}).wanted("bad-input")
    site = environment(root=tmp_path, storage=away)
    with refused("there are no credentials of an account; set AZURE_STORAGE_CONNECTION_STRING"):
        provider(site)
    monkeypatch.setenv("AZURE_STORAGE_KEY", places.ACCOUNT_KEY)
    with refused("does not answer; check storage.endpoint and the network"):
        provider(site).steps()


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with places.azurite(tmp_path_factory.mktemp("azurite")) as started:
        yield started
