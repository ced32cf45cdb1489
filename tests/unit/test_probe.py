import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from slipway import probe
from slipway.errors import DeployError
from slipway.settings.hosts import Host
from slipway.settings.site import Site
from tests.conformance import authority
from tests.unit.factory import environment
from tests.unit.faketime import without_waiting

HERE = Host("host1", "127.0.0.1")
SITE = Site("http://test.localhost:8080")
SECURE = Site("https://test.localhost")


class Server(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """Stay silent about handshakes that fail."""


@contextmanager
def proxy(
    *statuses: int, tls: ssl.SSLContext | None = None, location: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """Answer with these statuses in turn, the last one again and again."""
    asked: list[str] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']}{self.path}")
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(b"what\nit says")

        def log_message(self, format: str, *_: object) -> None:
            """Stay silent."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_host_is_asked_as_a_browser_would() -> None:
    with proxy(200) as (port, asked):
        answer = probe.ask(SITE, HERE, port)
    assert answer == probe.Answer(200, "what it says")
    assert asked == ["test.localhost:8080/healthz"]


def test_a_host_that_does_not_listen_is_no_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = probe.ask(SITE, HERE, port)
    assert answer.status == 0
    assert "refused" in answer.text


def test_a_secure_site_is_asked_over_tls_only() -> None:
    with proxy(200) as (port, asked):
        answer = probe.ask(SECURE, HERE, port)
    assert answer.status == 0
    assert "SSL" in answer.text
    assert asked == []


def check_at(monkeypatch: pytest.MonkeyPatch, port: int, patience: float) -> None:
    ask = probe.ask
    monkeypatch.setattr(probe, "ask", lambda site, host: ask(site, host, port))
    without_waiting(monkeypatch, probe)
    probe.check(environment(), HERE, patience)


def test_the_proxy_gets_a_moment_to_find_the_new_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(503, 502, 200) as (port, asked):
        check_at(monkeypatch, port, patience=5)
    assert len(asked) == 2 + probe.IN_A_ROW


def test_a_release_that_answers_now_and_then_fails_the_deploy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = itertools.cycle([probe.Answer(503, "busy"), probe.Answer(200, "ok")])
    monkeypatch.setattr(probe, "ask", lambda *_: next(answers))
    monkeypatch.setattr(probe, "PAUSE", 0.0)
    # The last of them is a good one.
    moments = iter(range(100))
    monkeypatch.setattr("slipway.probe.time.monotonic", lambda: next(moments))
    with pytest.raises(DeployError, match="answers 200 only now and then"):
        probe.check(environment(), HERE, patience=10)


def test_a_release_that_turns_bad_after_its_first_good_answers_fails_the_deploy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy(200, 200, 503) as (port, _), pytest.raises(DeployError, match="answers 503"):
        check_at(monkeypatch, port, patience=2)


def test_a_site_that_stays_down_fails_the_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(503) as (port, _), pytest.raises(DeployError) as caught:
        check_at(monkeypatch, port, patience=0.05)
    line = "host1: /healthz answers 503 through the proxy (what it says); "
    assert str(caught.value).startswith(line)


def test_a_bad_certificate_is_told_but_takes_no_healthy_release_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls = authority.make(tmp_path)
    with proxy(200, tls=tls) as (port, asked):
        monkeypatch.setattr(probe, "HTTPS_PORT", port)
        without_waiting(monkeypatch, probe)
        warning = probe.check(environment(site=SECURE), HERE)
    assert asked == ["test.localhost/healthz"] * probe.IN_A_ROW
    assert warning == (
        "host1: the site is healthy, but browsers refuse its certificate "
        "(unable to get local issuer certificate); point the DNS of test.localhost to "
        "127.0.0.1, and the proxy fetches a good one by itself"
    )


def test_a_bad_certificate_excuses_no_sick_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls = authority.make(tmp_path)
    with proxy(503, tls=tls) as (port, _):
        monkeypatch.setattr(probe, "HTTPS_PORT", port)
        with pytest.raises(DeployError, match="/healthz answers 503"):
            probe.check(environment(site=SECURE), HERE, patience=0)


def without_certificate(folder: Path) -> ssl.SSLContext:
    """End each handshake as Caddy does for a name that it has no certificate for."""
    _, tls = authority.make(folder)
    tls.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
    return tls


@pytest.mark.parametrize(
    ("location", "status"),
    [("https://test.localhost/healthz", 200), ("http://elsewhere.localhost/", 308)],
)
def test_a_proxy_without_a_certificate_yet_has_to_know_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, status: int
) -> None:
    tls = without_certificate(tmp_path)
    with proxy(200, tls=tls) as (secure, asked), proxy(308, location=location) as (plain, _):
        monkeypatch.setattr(probe, "HTTP_PORT", plain)
        answer = probe.ask(SECURE, HERE, secure)
    assert answer == probe.Answer(status, location, "the proxy has none yet")
    assert asked == []


def test_a_valid_certificate_needs_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, tls = authority.make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    with proxy(200, tls=tls) as (port, _):
        answer = probe.ask(Site("https://127.0.0.1"), HERE, port)
    assert answer == probe.Answer(200, "what it says")
