"""Ask for a site through the proxy of each host, and look at its certificates and names."""

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from slipway import probe
from slipway.console import seconds
from slipway.environment import Environment
from slipway.findings import Finding, State
from slipway.parallel import each
from slipway.settings.hosts import Host
from slipway.settings.site import Site

GROUP = "Site"
TIMEOUT = 8
# A proxy renews its certificates a month before they end.
SOON = timedelta(days=14)


def health(environment: Environment) -> list[Finding]:
    """Ask for the site's health through each proxy."""
    return each(lambda host: _health(environment, host), environment.hosts)


def certificates(environment: Environment) -> list[Finding]:
    """Look at the certificate that each proxy shows."""
    if not environment.site.secure:
        return [Finding(GROUP, "certificate", "ok", "none: the site is served without TLS")]
    now = datetime.now(UTC)
    return each(lambda host: _certificate(environment.site, host, now), environment.hosts)


def names(environment: Environment) -> Iterator[Finding]:
    """Compare where the site's names lead with the addresses of the hosts."""
    hosts = {found for host in environment.hosts for found in resolve(host.address)}
    for name in (environment.site.domain, *environment.site.aliases):
        yield _name(name, hosts)


def resolve(name: str) -> set[str]:
    """Return the addresses of a name, none where it has none."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _health(environment: Environment, host: Host) -> Finding:
    begin = time.monotonic()
    answer = probe.ask(environment.site, host)
    took = time.monotonic() - begin
    facts = {"host": host.name, "status": answer.status, "seconds": round(took, 3)}
    if answer.status == 200:
        text = f"healthy through {host.name}, {seconds(took)}"
        return Finding(GROUP, "health", "ok", text, facts={"health": [facts]})
    said = f"answers {answer.status}" if answer.status else "does not answer"
    text = f"{said} through {host.name}{_shown(answer.text)}"
    hint = f"'invoke logs -e {environment.name} --since 10m' may say why"
    return Finding(GROUP, "health", "fail", text, hint, {"health": [facts]})


def _shown(text: str) -> str:
    """Return what a site said behind a status, but no pages."""
    return "" if not text or text.startswith("<") else f" ({text})"


def _certificate(site: Site, host: Host, now: datetime) -> Finding:
    try:
        end = ends(site, host)
    except ssl.SSLCertVerificationError as error:
        facts = {"host": host.name, "ends": None, "problem": error.verify_message}
        if site.tls == "internal":
            text = f"signed by the proxy's own authority on {host.name}, as [site] tls says"
            return Finding(GROUP, "certificate", "ok", text, "", {"certificates": [facts]})
        hint = f"point the DNS of {site.domain} to {host.address}; the proxy then fetches one"
        text = f"refused by browsers on {host.name}: {error.verify_message}"
        return Finding(GROUP, "certificate", "warn", text, hint, {"certificates": [facts]})
    except OSError as error:
        facts = {"host": host.name, "ends": None, "problem": str(error)}
        text = f"{host.name} shows none ({error})"
        hint = f"is port 443 open, and does the DNS of {site.domain} lead to {host.address}?"
        return Finding(GROUP, "certificate", "fail", text, hint, {"certificates": [facts]})
    facts = {"host": host.name, "ends": end.isoformat(), "problem": ""}
    left = end - now
    text = f"good for {left.days} days on {host.name} (until {end:%Y-%m-%d})"
    late = left < SOON
    hint = "the proxy should have renewed it: 'invoke logs --service proxy'" if late else ""
    state: State = "warn" if late else "ok"
    return Finding(GROUP, "certificate", state, text, hint, {"certificates": [facts]})


def ends(site: Site, host: Host, port: int = probe.HTTPS_PORT) -> datetime:
    """Return when the certificate ends that a host shows for the site.

    Raises SSLCertVerificationError for a bad one, OSError where there is none.
    """
    tls = probe.trust(site)
    with (
        socket.create_connection((host.address, port), TIMEOUT) as plain,
        tls.wrap_socket(plain, server_hostname=site.domain) as wrapped,
    ):
        found = wrapped.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)


def _name(name: str, hosts: set[str]) -> Finding:
    if name == "localhost" or name.endswith(".localhost"):
        return Finding(GROUP, "DNS", "ok", f"{name} is always this machine (RFC 6761)")
    found = resolve(name)
    hint = f"let it lead to {', '.join(sorted(hosts))}" if hosts else "make a record for it"
    if not found:
        return Finding(GROUP, "DNS", "fail", f"{name} has no address", hint)
    text = f"{name} leads to {', '.join(sorted(found))}"
    if found & hosts:
        return Finding(GROUP, "DNS", "ok", text)
    hint += ", unless a CDN or load balancer is meant to be in between"
    return Finding(GROUP, "DNS", "warn", f"{text}, which is none of the hosts", hint)
