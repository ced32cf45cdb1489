"""Be a host for tests: a real sshd, whose docker program talks to this machine's engine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway import ssh
from slipway.command import Command
from slipway.settings.hosts import Host
from tests.conformance.database.servers import docker, shell, until

IMAGE = "slipway-sandbox-host"
SOCKET = "/var/run/docker.sock"
SERVE = "ssh-keygen -A && mkdir -p /run/sshd /root/.ssh && exec /usr/sbin/sshd -D"
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
PUBLIC_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Host]:
    """Start a host; its keys lie in `folder`."""
    program = shutil.which("docker")
    assert program
    identity, known_hosts = folder / "id_ed25519", folder / "known_hosts"
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity)
    shell.run(Command.of(*words))
    mounts = ("--volume", f"{SOCKET}:{SOCKET}", "--volume", f"{program}:/usr/bin/docker:ro")
    docker("run", "--detach", "--name", name, *mounts, IMAGE, "sh", "-c", SERVE)
    try:
        answers = Command.of("docker", "exec", name, "pgrep", "--exact", "sshd")
        until(lambda: shell.run(answers, check=False).code == 0)
        key = identity.with_suffix(".pub").read_bytes()
        docker("exec", "-i", name, "tee", "/root/.ssh/authorized_keys", stdin=key)
        address = docker("inspect", "--format", ADDRESS, name)
        known_hosts.write_text(f"{address} {docker('exec', name, 'cat', PUBLIC_KEY)}\n")
        yield Host("host1", address, identity_file=identity, known_hosts_file=known_hosts)
    finally:
        docker("rm", "--force", "--volumes", name)


def disconnected(host: Host) -> None:
    """Close the connection to a host that all commands share."""
    kept = ("ssh", "-O", "exit", "-o", f"ControlPath={ssh.sockets()}/{host.connection}")
    shell.run(Command.of(*kept, host.address), check=False)
