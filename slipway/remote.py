"""Look after a running site: its logs, a shell or a command in it, a shell on a host."""

import re
import shlex
import signal
import subprocess
from collections.abc import Callable

from slipway import engine, ssh, swarm
from slipway.command import Command, Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import OK, ConfigurationError, HostError, SlipwayError
from slipway.masking import masker
from slipway.settings.hosts import Host

SINCE = re.compile(r"(\d+)([smhd])|\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?")
# "myapp-test_web.1.k2vbn5i5prwb@host1    | what the task wrote"
TASK = re.compile(r"^(\S+\s)?(?:\S*[_-])?(\w+)\.(\w+)\.\w+@(\S+)\s+\| ?")
LINES = 100


def logs(
    environment: Environment,
    console: Console,
    *,
    follow: bool = False,
    since: str = "",
    service: str = "web",
    shell: Shell | None = None,
) -> int:
    """Print what all tasks of a service have written, without secrets; return the exit code.

    `since` is a time or a span such as `10m`; without it the last 100 lines of each task come.
    Raises ConfigurationError or HostError.
    """
    shell, name = shell or Shell(), service_name(environment, service)
    options = ["--timestamps", *(["--follow"] if follow else []), *_since(since)]
    with engine.on_host(shell, environment.manager) as there:
        command = Command.of("docker", "service", "logs", *options, name, env=there.env)
        return _print(shell, command, masker(environment), console)


def shell(
    environment: Environment, _: Console, *, service: str = "web", shell: Shell | None = None
) -> int:
    """Open a shell in a running task of a service and return its exit code."""
    runs = shell or Shell()
    host, container = find(runs, environment, service)
    return attach(runs, host, "docker", "exec", *_terminal(), container, "sh")


def manage(
    environment: Environment, _: Console, *, command: str, shell: Shell | None = None
) -> int:
    """Run a command of manage.py in a running task of the site and return its exit code."""
    runs, words = shell or Shell(), _words(command)
    host, container = find(runs, environment, "web")
    python = (container, "python", "manage.py", *words)
    return attach(runs, host, "docker", "exec", *_terminal(), *python)


def login(
    environment: Environment, _: Console, *, host: str = "", shell: Shell | None = None
) -> int:
    """Open a shell on a host, by default the one that leads, and return its exit code."""
    return attach(shell or Shell(), _host(environment, host))


def service_name(environment: Environment, service: str) -> str:
    """Return the Swarm's name for `web`, `db` or `proxy`; raises ConfigurationError."""
    stack = environment.stack
    known = {"web": f"{stack}_web", "db": f"{stack}-services_db", "proxy": "slipway_proxy"}
    if service not in known:
        raise ConfigurationError(f"--service {service}", "is unknown", "known: web, db, proxy")
    return known[service]


def find(shell: Shell, environment: Environment, service: str) -> tuple[Host, str]:
    """Return a running container of a service and its host, healthy ones first.

    A host that cannot be reached is passed over. Raises HostError where none has one.
    """
    name, refused = service_name(environment, service), []
    for state in ("health=healthy", "status=running"):
        words = ["docker", "ps", "--quiet", "--filter", f"label={swarm.SERVICE}={name}"]
        for host in environment.hosts:
            try:
                said = ssh.run(shell, host, *words, "--filter", state).stdout.split()
            except SlipwayError as error:
                refused.append(error)
                continue
            if said:
                return host, said[0]
    if refused:
        raise refused[0]
    names = ", ".join(host.name for host in environment.hosts)
    hint = f"'invoke status -e {environment.name}' says more"
    raise HostError(names, f"no task of {name} runs", hint)


def attach(shell: Shell, host: Host, *argv: str) -> int:
    """Run a program on a host at this terminal (without `argv`: its shell); return its code."""
    process = shell.start(ssh.attached(host, *argv), stdin=0, stdout=1, stderr=2)
    # Ctrl-C is meant for the program at the other end.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def short(line: str) -> str:
    """Return a line of a service's log with its task's name cut to `web.1@host1` (pure)."""
    return TASK.sub(lambda found: f"{found[1] or ''}{found[2]}.{found[3]}@{found[4]} | ", line)


def _print(shell: Shell, command: Command, mask: Callable[[str], str], console: Console) -> int:
    process = shell.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = ""
    try:
        for line in process.stdout or ():
            said = mask(short(line.decode(errors="replace").rstrip("\n")))
            console.out.print(said, markup=False)
    except KeyboardInterrupt:
        # That is how one stops following.
        return OK
    finally:
        process.terminate()
        code = process.wait()
    if code > 0:
        raise SlipwayError("docker service logs", said or "failed", "see 'invoke status'")
    return OK


def _since(text: str) -> list[str]:
    if not text:
        return ["--tail", str(LINES)]
    found = SINCE.fullmatch(text)
    if not found:
        raise ConfigurationError(f"--since {text}", "is no time", "write 30m, 2h, 1d or 2026-01-31")
    days = found[2] == "d"
    return ["--since", f"{int(found[1]) * 24}h" if days else text]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        raise ConfigurationError("manage", "a quote is not closed", "close it") from None


def _terminal() -> list[str]:
    return ["--interactive", *(["--tty"] if ssh.at_terminal() else [])]


def _host(environment: Environment, name: str) -> Host:
    for host in environment.hosts:
        if name in ("", host.name):
            return host
    known = ", ".join(host.name for host in environment.hosts)
    raise ConfigurationError(f"--host {name}", "is unknown", f"known: {known}")
