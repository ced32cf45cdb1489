"""A server that makes no keys: Ceph's gateway, as Debian has it, and no key made by hand."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from slipway.dsn import S3Dsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.objects.bucket import Meta
from slipway.objects.listing import Object
from slipway.objects.s3 import S3Bucket
from slipway.secrets import Secret
from slipway.storage import provider, s3_proof
from slipway.storage.s3_client import client
from tests.conformance.storage import places
from tests.conformance.storage.places import RGW_KEY, RGW_SECRET, Place
from tests.unit.factory import environment


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with places.radosgw(tmp_path_factory.mktemp("radosgw")) as started:
        yield started


@pytest.fixture
def site(gateway: Place, tmp_path: Path) -> Environment:
    """Return a site whose administrator stands in a file of profiles, and that names no key."""
    assert gateway.credentials is not None
    file = tmp_path / "credentials"
    file.write_bytes(gateway.credentials.read_bytes())
    wanted = gateway.wanted("by-hand", profile="admin", credentials_file=file, site_profile="")
    return environment(root=tmp_path, storage=wanted)


def test_without_a_key_made_by_hand_the_plan_says_what_to_do(site: Environment) -> None:
    made = provider(site)
    steps = made.steps()
    assert [note for note in made.notes if "make a key for the site by hand" in note]
    assert not [step for step in steps if "user" in step.change.resource]
    assert made.dsn() is None


def test_a_bucket_of_somebody_else_is_refused_in_one_line(site: Environment) -> None:
    key = f"aws_access_key_id = {another_user(site)}\naws_secret_access_key = {RGW_SECRET}\n"
    file = site.storage.credentials_file
    assert file is not None
    file.write_text(f"{file.read_text()}[other]\n{key}")
    theirs = replace(site, storage=replace(site.storage, bucket="theirs", profile="other"))
    for step in provider(theirs).steps():
        step.act()
    ours = replace(site, storage=replace(site.storage, bucket="theirs"))
    with pytest.raises(StorageError, match=r"AccessDenied; the bucket belongs to somebody else"):
        provider(ours).steps()
    for step in provider(theirs).removal():
        step.act()


@pytest.mark.parametrize(("acl", "status"), [("public-read", 200), ("", 403)])
def test_what_makes_the_sites_uploads_public_makes_those_of_a_push(
    site: Environment, acl: str, status: int
) -> None:
    # As a server without bucket policies has it.
    s3, name = client(site.storage, "s3"), f"acl-{status}"
    s3.create_bucket(Bucket=name)
    address = S3Dsn(
        RGW_KEY, Secret(RGW_SECRET), name, "us-east-1", site.storage.endpoint,
        acl=acl, cache_control="max-age=60",
    )  # fmt: skip
    bucket, body = S3Bucket(address), b"seen"
    etag = bucket.put("a", body, Meta("text/plain"), hashlib.md5(body).digest())
    bucket.copy(Object("a", len(body), etag), "b", Meta("text/plain", "no-store"))
    assert [asked(address.url_of(name))[0] for name in "ab"] == [status, status]
    if acl:
        assert [asked(address.url_of(name))[1] for name in "ab"] == ["max-age=60", "no-store"]
    s3_proof.prove(replace(address, public=bool(acl)), s3, own=False)
    for key in "ab":
        s3.delete_object(Bucket=name, Key=key)
    s3.delete_bucket(Bucket=name)


def asked(url: str) -> tuple[int, str]:
    """Ask as anybody does, and return status and Cache-Control."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.headers.get("cache-control", "")
    except urllib.error.HTTPError as error:
        return error.code, ""


def another_user(site: Environment) -> str:
    """Have the gateway's administrator make a user, by Ceph's own API; return the user's key."""
    fields = {"uid": "other", "display-name": "other", "access-key": "other",
              "secret-key": RGW_SECRET}  # fmt: skip
    asked = AWSRequest("PUT", f"{site.storage.endpoint}/admin/user?{urlencode(fields)}", data=b"")
    S3SigV4Auth(Credentials(RGW_KEY, RGW_SECRET), "s3", "us-east-1").add_auth(asked)
    ready = asked.prepare()
    request = urllib.request.Request(ready.url, b"", dict(ready.headers), method="PUT")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    return fields["access-key"]
