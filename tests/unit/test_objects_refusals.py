import pytest

from slipway.dsn import S3Dsn
from slipway.objects import refusals
from slipway.secrets import Secret

DSN = S3Dsn("key", Secret("hidden"), "media", "eu-central-1", "https://s3.example.com")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "does not know the access key of the DSN; run 'invoke provision'"),
        ("SignatureDoesNotMatch", "refuses the secret of the DSN's access key"),
        ("AccessDenied", "forbids this to the access key"),
        ("NoSuchBucket", "has no such bucket"),
        ("RequestTimeTooSkewed", "clock is wrong; set the clock"),
    ],
)
def test_known_codes_say_what_to_do(code: str, words: str) -> None:
    line = refusals.of_answer(DSN, 403, f"<Error><Code>{code}</Code></Error>").line()
    assert line.startswith("media at s3.example.com: ")
    assert words in line
    assert "hidden" not in line


def test_another_region_is_named() -> None:
    body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>"
    line = refusals.of_answer(DSN, 400, body).line()
    assert "the bucket is in region us-west-2, not eu-central-1; set storage.region" in line


def test_unknown_answers_keep_the_servers_words() -> None:
    body = "<Error><Code>Odd</Code><Message>Something broke</Message></Error>"
    assert (
        "answered 500: Something broke; run it again" in refusals.of_answer(DSN, 500, body).line()
    )
    for status in (404, 501):
        assert f"{status}: no reason given; check" in refusals.of_answer(DSN, status, "").line()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[Errno 111] Connection refused", "refuses connections"),
        ("HTTP error: dns error: failed to lookup", "cannot be found by name"),
        ("[Errno -2] Name or service not known", "cannot be found by name"),
        ("operation timed out", "does not answer"),
        ("invalid peer certificate: UnknownIssuer", "certificate that this machine does not trust"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("something new\nwith a long tail", "cannot be reached: something new; check"),
        ("", "cannot be reached: no reason given"),
    ],
)
def test_failed_connections_are_explained(said: str, words: str) -> None:
    assert words in refusals.of_failure(DSN, said).line()
