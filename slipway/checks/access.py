"""Look at the way to each host and at what a deploy needs there: SSH, clock, engine, ports."""

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from slipway import hostfacts, ssh
from slipway.checks import hosts
from slipway.command import Command, Shell
from slipway.environment import Environment
from slipway.errors import CommandError, SlipwayError
from slipway.findings import Finding, State
from slipway.hostfacts import HostFacts
from slipway.settings.hosts import Host

KNOWN_HOSTS = "~/.ssh/known_hosts"
DEBIAN = re.compile(r"debian 1[23]\b")
# S3 refuses requests that are 15 minutes off; certificates and logs suffer earlier.
CLOCK_WARNS, CLOCK_FAILS = 2.0, 60.0
# Between hosts: management, and gossip between nodes. UDP 4789 shows no answer to ask for.
MANAGEMENT, GOSSIP = 2377, 7946
SECONDS = 5
AFTER_SSH = ("clock", "system", "engine", "disk")


def host(environment: Environment, shell: Shell, one: Host) -> Iterator[Finding]:
    """Look at everything of one host; without SSH the rest is said to be unchecked."""
    yield key(shell, one)
    yield from ports(environment, one)
    try:
        ssh.knock(shell, one)
        found = hostfacts.read(shell, one)
    except SlipwayError as error:
        yield Finding(one.name, "SSH", "fail", error.what, error.hint)
        for name in AFTER_SSH:
            yield Finding(one.name, name, "skip", "not checked: SSH does not work")
        return
    yield Finding(one.name, "SSH", "ok", f"{one.user}@{one.address}, port {one.port}")
    yield from judge(environment, one, found)
    yield from between(environment, shell, one, found)


def key(shell: Shell, one: Host) -> Finding:
    """Look for the host's key in known_hosts, without a connection."""
    path = one.known_hosts_file or Path(KNOWN_HOSTS).expanduser()
    name = one.address if one.port == 22 else f"[{one.address}]:{one.port}"
    try:
        found = shell.run(Command.of("ssh-keygen", "-F", name, "-f", path), check=False)
    except CommandError as error:
        return Finding(one.name, "host key", "skip", f"not checked: {error.what}")
    if found.code == 0:
        return Finding(one.name, "host key", "ok", f"known in {path}")
    hint = f"'ssh-keyscan -p {one.port} {one.address}' shows it: compare it with the host's own, "
    hint += "then add it"
    return Finding(one.name, "host key", "fail", f"{name} is not in {path}", hint)


def ports(environment: Environment, one: Host) -> Iterator[Finding]:
    """Knock at the ports of the proxy."""
    hint = f"'invoke provision -e {environment.name}' starts the proxy"
    for number in [80, 443] if environment.site.secure else [80]:
        yield port(one.name, one.address, number, hint)


def port(where: str, address: str, number: int, hint: str) -> Finding:
    """Knock at a port; `hint` says what makes something listen there."""
    name = f"port {number}"
    try:
        socket.create_connection((address, number), SECONDS).close()
    except ConnectionRefusedError:
        return Finding(where, name, "warn", "nothing listens yet", hint)
    except OSError as error:
        hint = f"open TCP {number} in the firewall in front of {address}"
        return Finding(where, name, "fail", f"cannot be reached ({error})", hint)
    return Finding(where, name, "ok", "answers")


def judge(environment: Environment, one: Host, found: HostFacts) -> Iterator[Finding]:
    """Judge what was read of a host (pure)."""
    yield clock(one.name, found.offset, found.synchronized)
    yield _system(one, found)
    yield _engine(environment, one, found)
    state, hint = hosts.room(found)
    yield Finding(one.name, "disk", state, hosts.space(found), hint)


def clock(where: str, offset: float, synchronized: bool | None = None) -> Finding:
    """Judge by how much a clock is ahead of this machine's, in seconds (pure)."""
    away = abs(offset)
    hint = "set the wrong one of both right: 'timedatectl set-ntp true'"
    if away >= CLOCK_WARNS:
        state: State = "fail" if away >= CLOCK_FAILS else "warn"
        side = "ahead of" if offset > 0 else "behind"
        return Finding(where, "clock", state, f"{away:,.0f} s {side} this machine's", hint)
    note = ", but nothing keeps it right" if synchronized is False else ""
    return Finding(where, "clock", "ok", f"as this machine's{note}")


def between(
    environment: Environment, shell: Shell, one: Host, found: HostFacts
) -> Iterator[Finding]:
    """Knock from one host at the ports of the Swarm on all others."""
    leader = environment.manager
    for other in environment.hosts:
        wanted = [*([MANAGEMENT] if other == leader else []), GOSSIP]
        if other == one or found.swarm != "active":
            continue
        for port in wanted:
            yield _knock(shell, one, other, port)


def _knock(shell: Shell, one: Host, other: Host, port: int) -> Finding:
    name = f"to {other.name}"
    knock = f": < /dev/tcp/{other.address}/{port}"
    words: Sequence[str] = ("timeout", str(SECONDS), "bash", "-c", knock)
    if ssh.run(shell, one, *words, check=False).code == 0:
        return Finding(one.name, name, "ok", f"TCP {port} answers")
    hint = "open TCP 2377 and 7946, UDP 7946 and 4789 between the hosts"
    return Finding(one.name, name, "fail", f"TCP {port} cannot be reached", hint)


def _system(one: Host, found: HostFacts) -> Finding:
    if not found.administrator:
        hint = f"let {one.user} use sudo without a password, or log in as root"
        return Finding(one.name, "system", "fail", f"{one.user} is not root, nor has sudo", hint)
    if not found.python:
        hint = "'apt-get install python3' there"
        return Finding(one.name, "system", "fail", "has no python3, which Ansible needs", hint)
    if not DEBIAN.match(found.system):
        hint = "take a Debian 12 or 13 server"
        return Finding(one.name, "system", "fail", f"is {found.system or 'unknown'}", hint)
    return Finding(one.name, "system", "ok", found.system)


def _engine(environment: Environment, one: Host, found: HostFacts) -> Finding:
    hint = f"'invoke provision -e {environment.name}' installs and joins it"
    if not found.engine:
        return Finding(one.name, "engine", "warn", "none that answers yet", hint)
    if found.swarm != "active":
        return Finding(one.name, "engine", "warn", f"{found.engine}, in no Swarm yet", hint)
    if one == environment.manager and not found.leads:
        return Finding(one.name, "engine", "fail", f"{found.engine}, leads no Swarm", hint)
    return Finding(one.name, "engine", "ok", f"{found.engine}, in the Swarm")
