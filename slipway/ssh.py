"""Reach a host over SSH: argument lists, tunnels, and what its refusals mean."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from slipway.command import Command, Result, Shell
from slipway.errors import CommandError, HostError
from slipway.secrets import Secret
from slipway.settings.hosts import Host

CONNECT_SECONDS = 10
REASONS = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", "shows another host key than before",
     "if the host was set up anew, remove its old line from known_hosts"),
    (r"Host key verification failed", "is not in known_hosts",
     "connect once with ssh and compare the key"),
    (r"Permission denied", "refuses the key", "check user and identity_file"),
    (r"UNPROTECTED PRIVATE KEY|bad permissions", "is not asked: others can read the key",
     "chmod 600 the identity_file"),
    (r"Could not resolve hostname", "cannot be found by name", "check its address"),
    (r"Connection refused", "refuses connections on its SSH port", "is sshd running there?"),
    (r"timed out|No route to host|Network is unreachable", "does not answer",
     "check its address and the network"),
    (r"remote port forwarding failed|administratively prohibited", "forbids port forwarding",
     "allow AllowTcpForwarding and AllowStreamLocalForwarding in its sshd_config"),
)  # fmt: skip
AWAY = ("does not answer", "refuses connections on its SSH port")
SANDBOX, SANDBOX_HINT = ".sandbox", "run 'invoke sandbox.up' (--hosts N for several)"


def options(host: Host) -> list[str]:
    """Return the options every ssh to this host gets, without the address."""
    words = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
    words += ["-o", "StrictHostKeyChecking=yes", "-o", "ServerAliveInterval=15"]
    if host.known_hosts_file:
        words += ["-o", f'UserKnownHostsFile="{host.known_hosts_file}"']
    if host.identity_file:
        words += ["-o", "IdentitiesOnly=yes", "-i", str(host.identity_file)]
    return [*words, "-p", str(host.port), "-l", host.user]


def remote(host: Host, *argv: str, stdin: bytes | Secret | None = None) -> Command:
    """Return the command that runs `argv` on the host, over one shared connection."""
    shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={sockets()}/{host.connection}"]
    shared += ["-o", "ControlPersist=60"]
    words = ["ssh", *shared, *options(host), host.address, "--", shlex.join(argv)]
    return Command.of(*words, stdin=stdin)


def attached(host: Host, *argv: str) -> Command:
    """Return the command that runs `argv` (or a login shell) on the host at this terminal."""
    terminal = ["-tt"] if at_terminal() else ["-T"]
    command = ["--", shlex.join(argv)] if argv else []
    quiet = ["-o", "LogLevel=ERROR", "-o", "ControlPath=none"]
    return Command.of("ssh", *terminal, *quiet, *options(host), host.address, *command)


def knock(shell: Shell, host: Host) -> None:
    """Log in over a connection of its own; raises HostError where the host refuses.

    A connection that is shared was opened earlier: it says nothing about keys as they are now.
    """
    words = ["ssh", "-o", "ControlPath=none", *options(host), host.address, "--", "true"]
    result = shell.run(Command.of(*words), check=False)
    if result.code != 0:
        raise refusal(host, result.stderr)


def at_terminal() -> bool:
    """Return whether a person sits at both ends of this process."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(
    shell: Shell, host: Host, *argv: str, stdin: bytes | Secret | None = None, check: bool = True
) -> Result:
    """Run a program on a host; raises HostError where the host cannot be reached."""
    result = shell.run(remote(host, *argv, stdin=stdin), check=False)
    if result.code == 255:
        raise refusal(host, result.stderr)
    if check and result.code != 0:
        raise CommandError(
            f"{host.name}: {argv[0]}", f"failed ({result.code}): {result.last_words}"
        )
    return result


@contextmanager
def tunnel(
    shell: Shell, host: Host, forwards: Sequence[str], ready: Path | None = None
) -> Iterator[None]:
    """Hold an SSH connection with the given `-L` and `-R` options.

    `ready` is a local socket that must appear before the tunnel counts as open; without
    it the tunnel counts as open as soon as ssh says so. Raises HostError.
    """
    words = ["ssh", "-v", "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none"]
    with tempfile.TemporaryFile() as log:
        # `cat` ends when its input does: if this process is killed, its tunnels end with it.
        process = shell.start(
            Command.of(*words, *forwards, *options(host), host.address, "--", "cat"),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, new_session=True,
        )  # fmt: skip
        try:
            _await_tunnel(process, log.fileno(), host, ready, forwards.count("-R"))
            yield
        finally:
            process.terminate()
            process.communicate()


def refusal(host: Host, said: str) -> HostError:
    """Turn what ssh said on its standard error into one line."""
    where = f"{host.name} ({host.user}@{host.address}:{host.port})"
    for pattern, what, hint in REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return HostError(where, what, SANDBOX_HINT if _is_away(host, what) else hint)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("debug1")]
    return HostError(where, lines[-1] if lines else "closed the connection", "try it with ssh -v")


def _is_away(host: Host, what: str) -> bool:
    """Tell whether the host is the sandbox's, and does not run."""
    keys = host.known_hosts_file
    return what in AWAY and keys is not None and SANDBOX in keys.parts


def _await_tunnel(
    process: subprocess.Popen[bytes], log: int, host: Host, ready: Path | None, remote_forwards: int
) -> None:
    deadline = time.monotonic() + CONNECT_SECONDS + 5
    while time.monotonic() < deadline:
        said = os.pread(log, 1 << 20, 0).decode(errors="replace")
        if process.poll() is not None:
            raise refusal(host, said)
        entered = "Entering interactive session" in said
        confirmed = said.count("remote forward success for:") >= remote_forwards
        if entered and confirmed and (ready is None or ready.exists()):
            return
        time.sleep(0.02)
    raise refusal(host, "timed out")


def sockets() -> Path:
    """Return the folder of the shared connections; raises HostError where it is not ours."""
    folder = Path(tempfile.gettempdir()) / f"slipway-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise HostError(str(folder), "belongs to somebody else", "remove it")
    return folder
