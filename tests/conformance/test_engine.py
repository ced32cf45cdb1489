"""Reach the engine of a host through the SSH connection that all commands share."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import engine, ssh
from slipway.command import Command
from slipway.errors import HostError
from slipway.settings.hosts import Host
from tests.conformance.database.host import SOCKET, disconnected
from tests.conformance.database.servers import docker, shell

USER = "caretaker"
KEYS = f"/home/{USER}/.ssh"
CREATE = f"""
useradd --create-home {USER} && mkdir -p {KEYS} && cp /root/.ssh/authorized_keys {KEYS}
chown -R {USER}: {KEYS} && chgrp users {SOCKET} && chmod 660 {SOCKET}
"""


def connections(name: str) -> int:
    return int(docker("exec", name, "pgrep", "--count", "sshd-session"))


def test_it_takes_no_connection_of_its_own(machine: tuple[str, Host]) -> None:
    name, host = machine
    disconnected(host)
    with engine.on_host(shell, host) as first:
        assert first.client.ping()
        before = connections(name)
        with engine.on_host(shell, host) as second:
            assert second.client.ping()
            assert ssh.run(shell, host, "echo", "there").stdout == "there\n"
            assert connections(name) == before
        assert first.client.ping()
    assert first.address != second.address
    assert not any(Path(one.address.removeprefix("unix://")).exists() for one in (first, second))


def test_a_connection_that_was_cut_is_opened_again(machine: tuple[str, Host]) -> None:
    name, host = machine
    with engine.on_host(shell, host):
        docker("exec", name, "pkill", "sshd-session")
    with engine.on_host(shell, host) as there:
        assert there.client.ping()


@pytest.fixture
def caretaker(machine: tuple[str, Host]) -> Iterator[Host]:
    """Give a user of the host who may not use its engine yet."""
    name, host = machine
    state = Path(SOCKET).stat()
    docker("exec", "-i", name, "sh", "-e", stdin=CREATE.encode())
    try:
        yield replace(host, user=USER)
    finally:
        disconnected(replace(host, user=USER))
        shell.run(Command.of("chgrp", str(state.st_gid), SOCKET))
        shell.run(Command.of("chmod", f"{state.st_mode & 0o777:o}", SOCKET))


def test_a_group_that_the_user_has_joined_since_counts(
    machine: tuple[str, Host], caretaker: Host
) -> None:
    name, _ = machine
    with (
        pytest.raises(HostError, match=r"no Docker engine that answers; .* add caretaker to the"),
        engine.on_host(shell, caretaker),
    ):
        pass
    assert ssh.run(shell, caretaker, "id", "--name", "--groups").stdout.split() == [USER]
    docker("exec", name, "usermod", "--append", "--groups", "users", USER)
    with engine.on_host(shell, caretaker) as there:
        assert there.client.ping()
