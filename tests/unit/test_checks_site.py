import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway import probe
from slipway.checks import site
from slipway.probe import Answer
from slipway.settings.hosts import Host
from slipway.settings.site import Site
from tests.conformance import authority
from tests.unit.factory import environment
from tests.unit.test_probe import proxy

HERE = Host("host1", "127.0.0.1")
PLAIN = environment(hosts=(HERE,))
SECURE = environment(hosts=(HERE,), site=Site("https://www.example.com", ("example.com",)))
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_health_names_the_host_and_shows_no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ask", lambda *_: Answer(503, "<!doctype html> <html>"))
    found = site.health(PLAIN)[0]
    assert (found.state, found.text) == ("fail", "answers 503 through host1")
    assert "invoke logs -e test" in found.hint
    monkeypatch.setattr(probe, "ask", lambda *_: Answer(0, "timed out"))
    assert site.health(PLAIN)[0].text == "does not answer through host1 (timed out)"
    monkeypatch.setattr(probe, "ask", lambda *_: Answer(200, "ok"))
    assert site.health(PLAIN)[0].state == "ok"


def test_without_tls_no_certificate_is_wanted() -> None:
    assert site.certificates(PLAIN)[0].state == "ok"


@pytest.mark.parametrize(
    ("days", "state", "words"), [(60, "ok", "good for 60 days"), (3, "warn", "good for 3 days")]
)
def test_a_certificate_that_ends_soon_is_seen(
    monkeypatch: pytest.MonkeyPatch, days: int, state: str, words: str
) -> None:
    monkeypatch.setattr(site, "ends", lambda *_: NOW + timedelta(days=days, hours=1))
    found = site._certificate(SECURE.site, HERE, NOW)
    assert found.state == state
    assert words in found.text


def test_a_certificate_of_the_proxys_own_authority_is_as_it_should_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: object) -> datetime:
        error = ssl.SSLCertVerificationError(1, "refused")
        error.verify_message = "unable to get local issuer certificate"
        raise error

    monkeypatch.setattr(site, "ends", refuses)
    own = Site("https://www.example.com", tls="internal")
    assert site._certificate(own, HERE, NOW).state == "ok"
    assert site._certificate(SECURE.site, HERE, NOW).state == "warn"
    assert probe._warning(own, HERE, "unknown issuer") == ""
    assert "point the DNS" in probe._warning(SECURE.site, HERE, "unknown issuer")


def test_a_port_without_tls_has_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> datetime:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(site, "ends", refuses)
    found = site._certificate(SECURE.site, HERE, NOW)
    assert (found.state, found.facts["certificates"][0]["ends"]) == ("fail", None)


def test_the_end_of_a_real_certificate_is_read_and_a_foreign_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, tls = authority.make(tmp_path)
    where = Site("https://127.0.0.1")
    own = Site("https://127.0.0.1", acme_directory="https://ca/d", acme_root_file=root)
    with proxy(200, tls=tls) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            site.ends(where, HERE, port)
        assert site.ends(own, HERE, port) > datetime.now(UTC)
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        assert site.ends(where, HERE, port) > datetime.now(UTC)


def test_names_are_compared_with_the_addresses_of_the_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"127.0.0.1": {"127.0.0.1"}, "www.example.com": {"127.0.0.1"},
             "example.com": {"192.0.2.99"}}  # fmt: skip
    monkeypatch.setattr(site, "resolve", lambda name: known.get(name, set()))
    assert [one.state for one in site.names(SECURE)] == ["ok", "warn"]
    monkeypatch.setattr(site, "resolve", lambda _: set())
    found = next(iter(site.names(SECURE)))
    assert (found.state, found.text) == ("fail", "www.example.com has no address")
    assert [one.state for one in site.names(PLAIN)] == ["ok"]
