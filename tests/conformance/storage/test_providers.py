"""Hold every provider to the same promises, each on a real server."""

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError

from slipway.dsn import AzDsn, S3Dsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.storage import provider
from slipway.storage.azure_client import site_service
from slipway.storage.s3_client import app_client, client
from tests.conformance.storage import places
from tests.conformance.storage.places import Place
from tests.unit.factory import environment

NUMBERS = itertools.count(1)
SERVERS = {
    "seaweedfs": places.seaweedfs, "azurite": places.azurite, "radosgw": places.radosgw,
}  # fmt: skip


@pytest.fixture(scope="module", params=SERVERS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(autouse=True)
def administrator(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in place.administrator.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def site(place: Place, tmp_path: Path) -> Environment:
    # A project of its own: the user and its keys are named by it.
    number = next(NUMBERS)
    return environment(
        root=tmp_path, project=f"site{number}", storage=place.wanted(f"media-{number}")
    )


def changes(site: Environment) -> list[str]:
    return [step.change.line() for step in provider(site).steps()]


def converged(site: Environment) -> Environment:
    """Make everything, and return the environment as the next run reads it."""
    made = provider(site)
    for step in made.steps():
        step.act()
    used = made.dsn()
    assert used is not None
    made.settle()
    return replace(site, variables={"DEFAULT_STORAGE_DSN": used.render()})


def said(site: Environment) -> str:
    """Return what the plan says that this server cannot do."""
    made = provider(site)
    made.steps()
    return "; ".join(made.notes)


def dsn_of(site: Environment) -> S3Dsn | AzDsn:
    used = provider(site).dsn()
    assert isinstance(used, S3Dsn | AzDsn)
    return used


def put(used: S3Dsn | AzDsn, name: str, body: bytes = b"x") -> None:
    key = f"{used.prefix}/{name}" if used.prefix else name
    if isinstance(used, S3Dsn):
        app_client(used).put_object(Bucket=used.bucket, Key=key, Body=body)
    else:
        service = site_service(used)
        service.get_blob_client(used.container, key).upload_blob(body, overwrite=True)


def status(url: str) -> int:
    try:
        return int(urllib.request.urlopen(url, timeout=10).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_second_run_changes_nothing_and_the_dsn_is_proven(
    place: Place, site: Environment
) -> None:
    assert changes(site)
    done = converged(site)
    assert changes(done) == []
    again = provider(done)
    again.steps()
    lacks = said(done)
    assert [part for part in place.lacks if part not in lacks] == []
    again.prove()
    assert again.holds() == 0


def test_the_public_reads_an_object_and_cannot_list(site: Environment) -> None:
    used = dsn_of(converged(site))
    put(used, "a b/é.txt")
    assert status(used.url_of("a b/é.txt")) == 200
    assert status(used.url_of("missing.txt")) in {403, 404}
    for listing in ("", "?list-type=2", "?versions", "?restype=container&comp=list"):
        assert status(used.root + listing) in {401, 403, 404, 400}


def test_private_files_are_read_by_signed_urls_only(site: Environment) -> None:
    private = converged(replace(site, storage=replace(site.storage, public=False)))
    assert changes(private) == []
    made = provider(private)
    made.steps()
    made.prove()
    put(dsn_of(private), "a.txt")
    assert status(dsn_of(private).url_of("a.txt")) in {401, 403, 404, 409}


def test_public_and_private_can_be_changed(site: Environment) -> None:
    public = converged(site)
    private = replace(public, storage=replace(site.storage, public=False))
    assert [line for line in changes(private) if "policy" in line or "access" in line]
    back = replace(converged(private), storage=site.storage)
    provider(converged(back)).prove()


def test_a_new_key_stands_beside_the_old_until_that_is_retired(
    place: Place, site: Environment
) -> None:
    done = converged(site)
    old, made = dsn_of(done), provider(done)
    assert made.steps() == []
    assert made.renew() is place.makes_keys
    if not place.makes_keys:
        assert "made by hand, it is not renewed here" in said(done)
        made.retire()
        put(old, "still.txt")
        return
    new = made.dsn()
    assert isinstance(new, S3Dsn | AzDsn)
    assert new.render() != old.render()
    for used in (old, new):
        put(used, "both.txt")
    made.retire()
    put(new, "new.txt")
    with pytest.raises(Exception, match=r"InvalidAccessKeyId|AuthenticationFailed|Authorization"):
        put(old, "old.txt")
    done = replace(done, variables={"DEFAULT_STORAGE_DSN": new.render()})
    assert changes(done) == []


def test_removal_leaves_nothing_behind(site: Environment) -> None:
    done = converged(site)
    for name in ("a.txt", "b/c.txt", "b/c.txt"):
        put(dsn_of(done), name)
    assert provider(done).holds() == 2
    for step in provider(done).removal():
        step.act()
    assert provider(done).removal() == []
    assert len(changes(replace(site, variables={}))) == len(changes(site))
    with pytest.raises(StorageError):
        provider(done).prove()


@pytest.mark.parametrize("public", [True, False])
def test_a_container_with_files_of_others_is_neither_taken_nor_destroyed(
    site: Environment, public: bool
) -> None:
    first = replace(site, storage=replace(site.storage, public=public))
    put(dsn_of(converged(first)), "theirs.txt")
    whole = replace(first, project="neighbour")
    for look in (provider(whole).steps, provider(whole).removal):
        with pytest.raises(StorageError, match="holds files of other environments"):
            look()


@pytest.mark.parametrize("public", [True, False])
def test_a_neighbour_below_another_prefix_goes_without_the_files_of_others(
    site: Environment, public: bool
) -> None:
    one, other = (replace(site.storage, public=public, prefix=name) for name in ("one", "other"))
    stays = converged(replace(site, storage=one))
    goes = converged(replace(site, project="neighbour", storage=other))
    assert changes(goes) == changes(stays) == []
    put(dsn_of(goes), "ours.txt")
    put(dsn_of(stays), "theirs.txt")
    for step in provider(goes).removal():
        step.act()
    assert provider(stays).holds() == 1
    assert changes(stays) == []


def test_the_sites_key_reaches_nothing_but_its_own(place: Place, site: Environment) -> None:
    if not place.makes_keys:
        assert "nor kept to this bucket" in said(converged(site))
        return
    private = replace(site.storage, bucket=f"live-{next(NUMBERS)}", public=False)
    other = converged(environment(name="live", root=site.root, storage=private))
    used, others = dsn_of(converged(site)), dsn_of(other)
    put(others, "secret.txt")
    for attempt in attempts(used, others):
        with pytest.raises((ClientError, HttpResponseError)) as caught:
            attempt()
        assert refused(caught.value) == 403
    made = provider(other)
    made.steps()
    made.prove()


def refused(error: Any) -> int:
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(error.status_code)


def attempts(used: S3Dsn | AzDsn, others: S3Dsn | AzDsn) -> list[Any]:
    """Return what the site's key must not be able to do."""
    if isinstance(used, AzDsn):
        assert isinstance(others, AzDsn)
        service = site_service(used)
        there = service.get_container_client(others.container)
        return [
            lambda: list(service.list_containers()),
            lambda: there.upload_blob("x", b"x"),
            lambda: there.download_blob("secret.txt"),
            lambda: list(there.list_blobs()),
            lambda: service.get_container_client(used.container).set_container_access_policy({}),
            lambda: service.create_container("mine"),
        ]
    assert isinstance(others, S3Dsn)
    s3 = app_client(used)
    there_is = {"Bucket": others.bucket, "Key": "secret.txt"}
    return [
        lambda: s3.put_object(**there_is, Body=b"x"),
        lambda: s3.get_object(**there_is),
        lambda: s3.delete_object(**there_is),
        lambda: s3.list_objects_v2(Bucket=others.bucket),
        lambda: s3.get_bucket_policy(Bucket=used.bucket),
        lambda: s3.put_bucket_versioning(
            Bucket=used.bucket, VersioningConfiguration={"Status": "Suspended"}),
        lambda: s3.delete_bucket(Bucket=used.bucket),
        lambda: s3.create_bucket(Bucket=f"mine-{next(NUMBERS)}"),
        lambda: client_of(used).create_user(UserName="mine"),
    ]  # fmt: skip


def client_of(used: S3Dsn) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", used.key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", used.secret.reveal())
        return client(Place("s3", used.endpoint, {}).wanted("x"), "iam")


def test_an_adopted_container_is_mended(place: Place, site: Environment) -> None:
    done = converged(site)
    if place.provider == "s3":
        s3 = client(site.storage, "s3")
        s3.delete_bucket_policy(Bucket=site.storage.bucket)
        assert "policy" in changes(done)[0]
        other = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Sid": "Theirs",
                 "Resource": f"arn:aws:s3:::{site.storage.bucket}"}  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [other]}
        s3.put_bucket_policy(Bucket=site.storage.bucket, Policy=json.dumps(policy))
        found = converged(done)
        kept = json.loads(s3.get_bucket_policy(Bucket=site.storage.bucket)["Policy"])["Statement"]
        assert "Theirs" in {one["Sid"] for one in kept}
    else:
        made: Any = provider(site)
        made._container.set_container_access_policy({}, public_access=None)
        assert "access" in changes(done)[0]
        found = converged(done)
    assert changes(found) == []
    provider(found).prove()
