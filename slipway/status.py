"""Show how an environment is: hosts, services, release, site, storage, database, env file."""

import time
from collections.abc import Iterable
from typing import Any

from slipway import checks, findings, hostfacts
from slipway.checks import Check, data, hosts, services, site
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import OK
from slipway.findings import Finding
from slipway.settings.hosts import Host


def status(environment: Environment, console: Console, shell: Shell | None = None) -> int:
    """Look at everything at the same time and print it; return 0, or 11 where something is broken.

    Nothing is changed. What cannot be reached is shown as such, and the rest all the same.
    """
    begin = time.monotonic()
    console.title(f"{environment.stack}  {environment.site.url}")
    found = checks.run(_checks(environment, shell or Shell()))
    findings.show(found, console.out.print)
    fields = _fields(environment, found)
    console.result({**fields, "seconds": round(time.monotonic() - begin, 3)})
    return findings.exit_code(found)


def _checks(environment: Environment, shell: Shell) -> list[Check]:
    return [
        *(_of_host(environment, shell, host) for host in environment.hosts),
        Check(services.GROUP, "Swarm", lambda: services.look(environment, shell)),
        Check(site.GROUP, "health", lambda: site.health(environment)),
        Check(site.GROUP, "certificate", lambda: site.certificates(environment)),
        Check(data.GROUP, "storage", lambda: data.storage(environment)),
        Check(data.GROUP, "database", lambda: data.database(environment, shell)),
    ]


def _of_host(environment: Environment, shell: Shell, host: Host) -> Check:
    def look() -> list[Finding]:
        facts = hostfacts.read(shell, host)
        shown = hosts.maintenance(host, facts, environment.stack)
        return [hosts.summary(host, facts), *shown]

    return Check(hosts.GROUP, host.name, look)


def _fields(environment: Environment, found: Iterable[Finding]) -> dict[str, object]:
    """Return what `--json` prints; parts that could not be read are null or empty (pure)."""
    fields: dict[str, Any] = {
        "environment": environment.name,
        "site": environment.site.url,
        "healthy": findings.exit_code(list(found)) == OK,
        **{"release": None, "env": None, "storage": None, "database": None, "backup": None},
        **{"hosts": [], "services": [], "health": [], "certificates": []},
        "findings": [one.as_json() for one in found],
    }
    for one in found:
        for name, fact in one.facts.items():
            fields[name] = [*fields[name], *fact] if isinstance(fact, list) else fact
    return fields
