from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import dsn
from slipway.errors import DsnError
from slipway.secrets import Secret

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2"])
ENDPOINTS = st.sampled_from(["", "http://10.0.0.1:8333", "https://s3.example.com"])
PREFIXES = st.sampled_from(["", "media", "a/b-c", "a b/é"])
DOMAINS = st.sampled_from(["", "media.example.com"])


@given(TEXTS, TEXTS, BUCKETS, REGIONS, ENDPOINTS, PREFIXES, DOMAINS, st.booleans())
def test_an_s3_dsn_survives_the_round_trip(
    key: str,
    secret: str,
    bucket: str,
    region: str,
    endpoint: str,
    prefix: str,
    domain: str,
    public: bool,
) -> None:
    wanted = dsn.S3Dsn(key, Secret(secret), bucket, region, endpoint, prefix, domain, public)
    assert dsn.storage(wanted.render()) == wanted


@given(TEXTS, TEXTS, TEXTS)
def test_a_database_url_survives_the_round_trip(user: str, password: str, name: str) -> None:
    if "/" in name:
        return
    wanted = dsn.DatabaseDsn(user, Secret(password), "db", name, 5433)
    assert dsn.database(wanted.render()) == wanted


def test_aws_gets_the_plain_grammar() -> None:
    rendered = dsn.S3Dsn("K", Secret("a/b"), "shop", "eu-central-1").render().reveal()
    assert rendered == (
        "s3://K:a%2Fb@shop.s3.eu-central-1.amazonaws.com/"
        "?auth=s3v4&addressing_style=virtual&acl=bucket-owner-full-control"
    )


def test_other_servers_get_an_endpoint_with_scheme_and_port() -> None:
    rendered = dsn.S3Dsn("K", Secret("S"), "shop", "us-east-1", "http://10.0.0.1:8333").render()
    assert rendered.reveal() == (
        "s3://K:S@shop.10.0.0.1:8333/?endpoint=http%3A%2F%2F10.0.0.1%3A8333"
        "&region_name=us-east-1&addressing_style=path&auth=s3v4"
    )


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://shop.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9.png"),
        ({"domain": "cdn.example.com"}, "https://cdn.example.com/a%20b/%C3%A9.png"),
        ({"endpoint": "http://h:1", "prefix": "p"}, "http://h:1/shop/p/a%20b/%C3%A9.png"),
    ],
)
def test_objects_have_a_public_url(fields: dict[str, Any], url: str) -> None:
    assert dsn.S3Dsn("K", Secret("S"), "shop", "eu-west-1", **fields).url_of("a b/é.png") == url


def test_the_dsn_of_the_tutorial_is_read_and_written() -> None:
    text = Secret("file:///data/media/?url=%2Fmedia%2F")
    parsed = dsn.storage(text)
    assert parsed == dsn.FileDsn("/data/media/", "/media/")
    assert parsed.render() == Secret("file:///data/media/?url=%2Fmedia%2F")


def test_a_private_bucket_asks_for_signed_urls() -> None:
    private = dsn.S3Dsn("K", Secret("S"), "shop", "eu-west-1", public=False)
    assert "qs_auth=true" in private.render().reveal()


@pytest.mark.parametrize("prefix", ["a b", "a?b", "a#b", "a%20b", "a*", "${x}", "../é", "a&b=c"])
def test_a_prefix_that_the_path_cannot_hold_is_quoted(prefix: str) -> None:
    used = dsn.S3Dsn("K", Secret("S"), "shop", "eu-west-1", prefix=prefix)
    assert f"&prefix={quote_plus(prefix)}" in used.render().reveal()
    assert dsn.storage(used.render()) == used


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_control": "public, max-age=60", "expire": 60, "checksum": False},
        {"url": "http://cdn.example.com/m/", "acl": "none"},
        {"addressing": "path"},
        {"endpoint": "http://h:1", "addressing": "virtual", "acl": "public-read"},
        {"endpoint": "https://s3.wasabisys.com", "domain": "cdn.example.com"},
    ],
)
def test_what_the_site_adds_to_the_grammar_survives(fields: dict[str, Any]) -> None:
    wanted = dsn.S3Dsn("K", Secret("S"), "shop", "us-east-1", **fields)
    assert dsn.storage(wanted.render()) == wanted


@pytest.mark.parametrize("bucket", ["my.s3.bucket", "a.s3-b"])
def test_a_bucket_that_the_library_would_misread_names_its_endpoint(bucket: str) -> None:
    used = dsn.S3Dsn("K", Secret("S"), bucket, "eu-west-1")
    assert "endpoint=https%3A%2F%2Fs3.eu-west-1.amazonaws.com" in used.render().reveal()
    assert dsn.storage(used.render()) == used


def test_an_ipv6_endpoint_is_refused() -> None:
    with pytest.raises(DsnError, match=r"storage\.endpoint: is an IPv6 address; give it a host"):
        dsn.S3Dsn("K", Secret("S"), "shop", "us-east-1", "http://[::1]:9000").render()


SAS = Secret("sv=2024-11-04&sr=c&si=own&sig=a%2Bb%3D")


@pytest.mark.parametrize("key", [Secret("Zm9vYmFyL2Jhei8rPT0="), SAS])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"endpoint": "http://10.213.0.21:10000/devstoreaccount1", "prefix": "a b/é"},
        {"domain": "cdn.example.com", "cache_control": "no-cache"},
        {"public": False, "expire": 60},
        {"url": "https://a.example/x"},
    ],
)
def test_an_az_dsn_survives_the_round_trip(key: Secret, fields: dict[str, Any]) -> None:
    wanted = dsn.AzDsn("shop", key, "media", **fields)
    assert dsn.storage(wanted.render()) == wanted
    assert wanted.is_sas is (key == SAS)


def test_azure_gets_the_plain_grammar() -> None:
    wanted = dsn.AzDsn("shop", Secret("a+/b="), "media", prefix="p", domain="cdn.example.com")
    text = "az://shop:a%2B%2Fb%3D@blob.core.windows.net/media/?prefix=p&domain=cdn.example.com"
    assert wanted.render() == Secret(text)
    assert wanted.url_of("a b") == "https://cdn.example.com/media/p/a%20b"


def test_a_plain_dsn_of_another_provider_names_its_endpoint() -> None:
    parsed = dsn.storage(Secret("s3://K:S@bkt.fra1.digitaloceanspaces.com/?region_name=fra1"))
    assert isinstance(parsed, dsn.S3Dsn)
    assert (parsed.bucket, parsed.region) == ("bkt", "fra1")
    assert parsed.endpoint == "https://fra1.digitaloceanspaces.com"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://KEY:sec/ret@bucket.host/", "cannot be read"),
        ("s3://bucket.host/", "key, secret or bucket is missing"),
        ("s3://K:S@shop.h/?expire=soon", "expire is no number of seconds"),
        ("az://A:S@h/c/?expire=soon", "expire is no number of seconds"),
        ("az://A:S@h/", "account, key or container is missing"),
        ("gs://K:S@bucket/", "the scheme 'gs' is not supported"),
        ("file://data/media", "the folder is not absolute"),
        ("", "the scheme '' is not supported"),
    ],
)
def test_a_storage_dsn_that_cannot_be_read_is_not_shown(text: str, said: str) -> None:
    with pytest.raises(DsnError, match=said) as caught:
        dsn.storage(Secret(text))
    assert "sec/ret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mysql://u:p@h/d", "the scheme 'mysql' is not supported"),
        ("postgres://u:hidden@h/", "user, host or database name is missing"),
        ("postgres://u:hid/den@h/d", "cannot be read"),
    ],
)
def test_a_database_url_that_cannot_be_read_is_not_shown(text: str, said: str) -> None:
    with pytest.raises(DsnError, match=said) as caught:
        dsn.database(Secret(text))
    assert "hid" not in str(caught.value)
