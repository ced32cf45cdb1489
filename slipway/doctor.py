"""Find what is wrong before anything is touched, and say the next step for each."""

import time
from functools import partial
from pathlib import Path

from slipway import adopt, checks, environment, findings
from slipway.checks import Check, access, machine, settings, site
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import OK, ConfigurationError
from slipway.findings import Finding


def doctor(root: Path, console: Console, *, name: str, shell: Shell | None = None) -> int:
    """Look at this machine, the environment `name` and its hosts, all at the same time.

    Changes nothing, and shows everything, however much of it is broken. Returns 0, or 11
    where something is.
    """
    begin, shell = time.monotonic(), shell or Shell()
    console.title(f"Looking at this machine and at {name}")
    loaded, problems = _load(root, name)
    found = checks.run([*_machine(root, shell), *(_of(loaded, shell) if loaded else [])])
    found = [*found, *problems]
    findings.show(found, console.out.print)
    console.result(
        {
            "environment": name,
            "healthy": findings.exit_code(found) == OK,
            "findings": [one.as_json() for one in found],
            "seconds": round(time.monotonic() - begin, 3),
        }
    )
    return findings.exit_code(found)


def _load(root: Path, name: str) -> tuple[Environment | None, list[Finding]]:
    check = Check(f"env/{name}", "settings", list)
    try:
        loaded = environment.load(name, root)
    except ConfigurationError as error:
        return None, checks.failures(check, error)
    return loaded, []


def _machine(root: Path, shell: Shell) -> list[Check]:
    where = machine.GROUP
    return [
        Check(where, "Python", lambda: machine.python(root)),
        Check(where, "engine", machine.docker),
        *(Check(where, name, partial(machine.program, shell, name)) for name in machine.PROGRAMS),
        Check(adopt.GROUP, "Django project", partial(adopt.look, root)),
    ]


def _of(loaded: Environment, shell: Shell) -> list[Check]:
    where = settings.group(loaded)
    return [
        Check(where, "env file", lambda: settings.files(loaded)),
        Check(where, "storage DSN", lambda: settings.storage(loaded)),
        Check(where, "database DSN", lambda: settings.database(loaded)),
        *(
            Check(host.name, "SSH", partial(access.host, loaded, shell, host))
            for host in loaded.hosts
        ),
        Check(site.GROUP, "DNS", lambda: site.names(loaded)),
        Check(site.GROUP, "certificate", lambda: site.certificates(loaded)),
    ]
