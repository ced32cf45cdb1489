import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import baseimages
from slipway.dsn import AzDsn, S3Dsn
from slipway.objects.azure import AzureBucket
from slipway.objects.azure_requests import Requests
from slipway.objects.bucket import Bucket
from slipway.objects.pool import Counter
from slipway.objects.s3 import S3Bucket
from slipway.objects.volume import Place, VolumeBucket
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from tests.conformance import relay, seaweed
from tests.conformance.database import host
from tests.conformance.database.servers import docker
from tests.conformance.site import Site
from tests.conformance.storage import places

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.Seaweed]:
    with seaweed.running(tmp_path_factory.mktemp("seaweed")) as started:
        yield started


@pytest.fixture
def through(server: seaweed.Seaweed) -> Iterator[relay.Relay]:
    with relay.relaying(server.port) as started:
        yield started


@pytest.fixture
def site(server: seaweed.Seaweed, tmp_path: Path) -> Site:
    bucket = f"media-{next(NUMBERS)}"
    server.client.create_bucket(Bucket=bucket)
    return Site(tmp_path, bucket, server)


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[places.Place]:
    with places.azurite(tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest.fixture
def container(azure: places.Place) -> AzDsn:
    """Give a folder of a new container."""
    name, key = f"media-{secrets.token_hex(4)}", Secret(places.ACCOUNT_KEY)
    dsn = AzDsn(places.ACCOUNT, key, name, azure.endpoint, "a folder")
    assert Requests(dsn, Counter()).send("PUT", "", {"restype": "container"}).status == 201
    return dsn


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Host]]:
    """Give a host that is reached over SSH, and the name of its container."""
    baseimages.ensure([host.IMAGE])
    name = f"volume-{secrets.token_hex(4)}"
    with host.serving(name, tmp_path_factory.mktemp("host")) as there:
        yield name, there


KINDS = ("s3", "azure", "volume")


def s3_bucket(request: pytest.FixtureRequest) -> Bucket:
    server: seaweed.Seaweed = request.getfixturevalue("server")
    name = f"bucket-{secrets.token_hex(4)}"
    server.client.create_bucket(Bucket=name)
    return S3Bucket(
        S3Dsn(seaweed.KEY, Secret(seaweed.SECRET), name, "us-east-1", server.endpoint, "a folder")
    )


def azure_bucket(request: pytest.FixtureRequest) -> Bucket:
    return AzureBucket(request.getfixturevalue("container"))


def volume_bucket(request: pytest.FixtureRequest) -> Bucket:
    name, there = request.getfixturevalue("machine")
    home = f"/srv/slipway/{secrets.token_hex(4)}"
    docker("exec", name, "sh", "-c", f"mkdir -p {home}/data && chown 1000:1000 {home}/data")
    return VolumeBucket(Place(there, f"{home}/data/media", f"{home}/media.sqlite"))


@pytest.fixture(params=KINDS)
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    makers = {"s3": s3_bucket, "azure": azure_bucket, "volume": volume_bucket}
    made = makers[request.param](request)
    yield made
    if isinstance(made, VolumeBucket):
        made.close()
