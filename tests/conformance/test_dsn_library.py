"""DSNs as the sites read them: the unmodified django-storage-url, and the project's own classes."""

import sys
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import django
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from slipway import dsn
from slipway.secrets import Secret

sys.path.append(str(Path(__file__).resolve().parents[2] / "app"))
if not settings.configured:
    settings.configure(AWS_S3_FILE_OVERWRITE=False, AZURE_OVERWRITE_FILES=False)
    django.setup()

import furl
from cloud.azure import AzureStorage
from cloud.storage import S3Storage
from django_storage_url.backends import az, file, s3

STOCK = {"s3": s3.S3Storage, "az": az.AzureStorage, "file": file.FileSystemStorage}
OWN = {"s3": S3Storage, "az": AzureStorage, "file": file.FileSystemStorage}
KEY, SECRET = "AKIA/+=", Secret("s/e+c=r:e@t%20?&#é")
ACCOUNT_KEY = Secret("Zm9vYmFyL2Jheis9Pz8/9/8=")
SIGNATURE = Secret("sv=2024-11-04&sr=c&si=slipway-test&sig=a%2Bb%2Fc%3D")
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9](\.[a-z0-9]{1,6})?", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="/\\"),
                min_size=1, max_size=10).filter(lambda text: text.strip(". ") == text)  # fmt: skip
PREFIXES = st.lists(NAMES, max_size=3).map("/".join)
REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2", "fra1", "cn-north-1"])
ENDPOINTS = st.sampled_from(["", "http://10.0.0.1:8333", "https://s3.example.com:9000",
                             "https://minio.example.com", "https://fra1.digitaloceanspaces.com",
                             "https://s3.wasabisys.com"])  # fmt: skip
quick = profile(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def load(text: Secret, classes: dict[str, Any]) -> Any:
    url = furl.furl(text.reveal())
    return classes[url.scheme](url)


def places(storage: Any) -> tuple[object, ...]:
    """Return what of an S3 storage decides where requests go and what they say."""
    return (
        storage.access_key, storage.secret_key, storage.bucket_name,
        storage.endpoint_url.rstrip("/"), storage.region_name, storage.addressing_style,
        storage.signature_version, storage.object_parameters, storage.location.rstrip("/"),
        storage.querystring_auth,
    )  # fmt: skip


S3 = [
    # endpoint, region, what the DSN names as the server
    ("", "eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
    ("", "us-east-1", "https://s3.us-east-1.amazonaws.com"),
    ("", "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
    ("https://fra1.digitaloceanspaces.com", "fra1", "https://fra1.digitaloceanspaces.com"),
    ("https://fsn1.your-objectstorage.com", "fsn1", "https://fsn1.your-objectstorage.com"),
    ("https://s3.eu-central-1.wasabisys.com", "eu-central-1",
     "https://s3.eu-central-1.wasabisys.com"),
    ("https://s3.fr-par.scw.cloud", "fr-par", "https://s3.fr-par.scw.cloud"),
    ("https://sos-ch-gva-2.exo.io", "ch-gva-2", "https://sos-ch-gva-2.exo.io"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "region", "server"), S3)
@pytest.mark.parametrize("fields", [{}, {"prefix": "a/b-c"}, {"domain": "cdn.example.com"},
                                    {"public": False}])  # fmt: skip
def test_the_unmodified_library_reads_the_plain_grammar(
    endpoint: str, region: str, server: str, fields: dict[str, Any]
) -> None:
    wanted = dsn.S3Dsn(KEY, SECRET, "my-bucket", region, endpoint, **fields)
    assert "endpoint=" not in wanted.render().reveal()
    storage = load(wanted.render(), STOCK)
    acl = "bucket-owner-full-control"
    if endpoint:
        acl = "public-read" if wanted.public else "private"
    assert places(storage) == (
        KEY, SECRET.reveal(), "my-bucket", server, region, "virtual", "s3v4", {"ACL": acl},
        wanted.prefix, not wanted.public,
    )  # fmt: skip
    url = storage.url("a b/é.png")
    assert url.partition("?")[0] == wanted.url_of("a b/é.png")
    assert ("X-Amz-Signature=" in url) is not wanted.public
    assert places(load(wanted.render(), OWN)) == places(storage)


@pytest.mark.parametrize("key", [ACCOUNT_KEY, SIGNATURE])
@pytest.mark.parametrize("domain", ["", "cdn.example.com"])
def test_the_unmodified_library_reads_azure(key: Secret, domain: str) -> None:
    wanted = dsn.AzDsn("myaccount", key, "media", domain=domain)
    storage = load(wanted.render(), STOCK)
    found = storage.sas_token if wanted.is_sas else storage.account_key
    assert (storage.account_name, storage.azure_container) == ("myaccount", "media")
    assert found == key.reveal()
    assert storage.client.url.partition("?")[0] == wanted.root
    assert storage.url("a b/é.png") == wanted.url_of("a b/é.png")
    assert load(wanted.render(), OWN).url("a b/é.png") == wanted.url_of("a b/é.png")


def test_the_unmodified_library_reads_the_tutorials_own() -> None:
    text = "file:///data/media/?url=%2Fmedia%2F"
    storage = load(Secret(text), STOCK)
    assert (storage.location, storage.base_url) == ("/data/media", "/media/")
    found = dsn.storage(Secret(text))
    assert isinstance(found, dsn.FileDsn)
    assert found.url_of("a b.png") == storage.url("a b.png") == "/media/a%20b.png"


@quick
@given(TEXTS, TEXTS, BUCKETS, REGIONS, ENDPOINTS, PREFIXES, st.booleans())
def test_an_s3_dsn_survives_both_readers(
    key: str, secret: str, bucket: str, region: str, endpoint: str, prefix: str, public: bool
) -> None:
    wanted = dsn.S3Dsn(key, Secret(secret), bucket, region, endpoint, prefix, public=public)
    text = wanted.render()
    assert dsn.storage(text) == wanted
    storage = load(text, OWN)
    assert (storage.access_key, storage.secret_key, storage.bucket_name) == (key, secret, bucket)
    assert storage.endpoint_url.rstrip("/") == wanted.api
    assert (storage.region_name, storage.location.rstrip("/")) == (region, prefix)
    assert (storage.addressing_style == "virtual") is wanted.virtual or not wanted.is_plain
    if wanted.is_plain and "prefix=" not in text.reveal():
        assert places(load(text, STOCK)) == places(storage)
    # Without one the URL costs a boto3 client, and each of those a fifth of a second.
    if public and storage.custom_domain:
        assert unquote(storage.url("é.png")) == unquote(wanted.url_of("é.png"))


@quick
@given(st.binary(min_size=32, max_size=64), st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True),
       st.sampled_from(["", "http://10.0.0.1:10000/dev"]), PREFIXES, st.booleans())  # fmt: skip
def test_an_az_dsn_survives_both_readers(
    key: bytes, account: str, endpoint: str, prefix: str, public: bool
) -> None:
    secret = Secret(b64encode(key).decode())
    wanted = dsn.AzDsn(account, secret, "media", endpoint, prefix, public=public)
    assert dsn.storage(wanted.render()) == wanted
    storage = load(wanted.render(), OWN)
    assert (storage.account_name, storage.account_key) == (account, secret.reveal())
    assert (storage.azure_container, storage.location) == ("media", prefix)
    assert storage.client.url == wanted.root
    url = storage.url("é.png")
    assert unquote(url.partition("?")[0]) == unquote(wanted.url_of("é.png"))
    assert ("sig=" in url) is not public
