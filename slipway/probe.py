"""Ask a site for its health through the proxy of each host."""

import http.client
import socket
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from slipway.environment import Environment
from slipway.errors import ConfigurationError, DeployError
from slipway.settings.hosts import Host
from slipway.settings.site import Site

PATH = "/healthz"
TIMEOUT = 10
PATIENCE = 20
PAUSE = 0.25
# A release that turns bad soon after it was healthy is seen here: each task is asked.
IN_A_ROW = 6
SHOWN = 200
HTTP_PORT = 80
HTTPS_PORT = 443
REDIRECTS = frozenset({301, 302, 307, 308})
# With these a server ends the handshake for a name that it has no certificate for.
NO_CERTIFICATE = frozenset({"TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_UNRECOGNIZED_NAME"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a proxy answered; status 0 stands for no answer at all.

    `doubt` says what is wrong with the certificate, where something is.
    """

    status: int
    text: str
    doubt: str = ""


def check(environment: Environment, host: Host, patience: float = PATIENCE) -> str:
    """Wait until the proxy of a host answers 200 again and again (`patience` in seconds).

    Returns a warning where the certificate is bad, else nothing. Raises DeployError.
    """
    deadline = time.monotonic() + patience
    answer = ask(environment.site, host)
    good, turned = int(answer.status == 200), False
    while good < IN_A_ROW and time.monotonic() < deadline:
        time.sleep(PAUSE)
        last, answer = answer, ask(environment.site, host)
        turned = turned or (last.status == 200 != answer.status)
        good = good + 1 if answer.status == 200 else 0
    if answer.status == 200 and turned and good < IN_A_ROW:
        what = f"{PATH} answers 200 only now and then through the proxy"
        raise DeployError(host.name, what, f"see 'invoke logs -e {environment.name}'")
    if answer.status != 200:
        said = f"answers {answer.status}" if answer.status else "does not answer"
        hint = f"is the proxy up? 'invoke provision -e {environment.name}' sets it up"
        what = f"{PATH} {said} through the proxy ({answer.text})"
        raise DeployError(host.name, what, hint)
    return _warning(environment.site, host, answer.doubt) if answer.doubt else ""


def ask(site: Site, host: Host, port: int = 0, path: str = PATH) -> Answer:
    """Send one request as a browser would, but to this very host.

    `port` is the proxy's, by default that of the URL's scheme; `path` what is asked
    for. Where only the certificate is bad, the site is asked once more without regard to it.
    """
    if not site.secure:
        return _answer(site, host, port or HTTP_PORT, path=path)
    port = port or HTTPS_PORT
    try:
        return _exchange(site, host.address, port, trust(site), path)
    except ssl.SSLCertVerificationError as error:
        answer = _answer(site, host, port, _unverified(), path)
        return replace(answer, doubt=error.verify_message)
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "reason", "") in NO_CERTIFICATE:
            return _without_tls(site, host)
        return Answer(0, _text(error))


def refuse_bad_root(environment: Environment) -> None:
    """Read the certificate of the site's own authority; raises ConfigurationError."""
    if not environment.site.acme_root_file:
        return
    try:
        trust(environment.site)
    except OSError as error:  # SSLError is one
        where = f"env/{environment.name}.toml: site.acme_root_file"
        what = f"{environment.site.acme_root_file} is no certificate ({_text(error)})"
        raise ConfigurationError(where, what, "put the authority's there, as PEM") from None


def trust(site: Site) -> ssl.SSLContext:
    """Return what the site's certificate is judged by: this machine's authorities, and its own."""
    context = ssl.create_default_context()
    if site.acme_root_file:
        context.load_verify_locations(site.acme_root_file)
    return context


def connect(site: Site, host: Host, timeout: float) -> http.client.HTTPConnection:
    """Open a connection to the site through the proxy of this very host; raises OSError.

    Its certificate may be a bad one: it is only counted whether requests are answered.
    """
    port = HTTPS_PORT if site.secure else HTTP_PORT
    connection = http.client.HTTPConnection(host.address, port, timeout=timeout)
    connection.connect()
    if site.secure:
        plain = connection.sock
        connection.sock = _unverified().wrap_socket(plain, server_hostname=site.domain)
    return connection


def _without_tls(site: Site, host: Host) -> Answer:
    """Ask a proxy that has no certificate to talk with: it knows the site if it redirects."""
    answer = _answer(site, host, HTTP_PORT)
    if answer.status in REDIRECTS and answer.text.startswith("https://"):
        answer = replace(answer, status=200)
    return replace(answer, doubt="the proxy has none yet")


def _answer(
    site: Site, host: Host, port: int, tls: ssl.SSLContext | None = None, path: str = PATH
) -> Answer:
    try:
        return _exchange(site, host.address, port, tls, path)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, _text(error))


def _exchange(
    site: Site, address: str, port: int, tls: ssl.SSLContext | None, path: str = PATH
) -> Answer:
    with ExitStack() as stack:
        connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
        stack.callback(connection.close)
        # Kept by its own name too: a handshake that fails leaves it open.
        plain = stack.enter_context(socket.create_connection((address, port), TIMEOUT))
        connection.sock = tls.wrap_socket(plain, server_hostname=site.domain) if tls else plain
        connection.request("GET", path, headers={"Host": site.netloc})
        response = connection.getresponse()
        body = response.read(SHOWN).decode(errors="replace")
        text = response.getheader("Location") or " ".join(body.split())
        return Answer(response.status, text)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _warning(site: Site, host: Host, doubt: str) -> str:
    if site.tls == "internal":
        return ""
    return (
        f"{host.name}: the site is healthy, but browsers refuse its certificate "
        f"({doubt.rstrip('.')}); point the DNS of {site.domain} to {host.address}, "
        "and the proxy fetches a good one by itself"
    )


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
