from dataclasses import replace
from pathlib import Path

import pytest

from slipway import ssh
from slipway.errors import HostError
from slipway.secrets import Secret
from slipway.settings.hosts import Host

HOST = Host("web1", "192.0.2.10", 2222, "deploy", Path("/keys/id"), Path("/keys/known_hosts"))


def test_a_remote_command_is_one_quoted_argument() -> None:
    command = ssh.remote(HOST, "psql", "-c", "select 'a b'", stdin=Secret("s"))
    assert command.argv[0] == "ssh"
    assert command.argv[-3:] == ("192.0.2.10", "--", "psql -c 'select '\"'\"'a b'\"'\"''")
    assert command.stdin == Secret("s")


def test_the_host_key_is_always_checked() -> None:
    words = ssh.options(HOST)
    assert "StrictHostKeyChecking=yes" in words
    assert 'UserKnownHostsFile="/keys/known_hosts"' in words
    assert words[-4:] == ["-p", "2222", "-l", "deploy"]
    assert "-i" not in ssh.options(Host("h", "192.0.2.1"))


def test_only_equal_ways_to_a_host_share_a_connection() -> None:
    def path(host: Host) -> str:
        return next(word for word in ssh.remote(host, "true").argv if "ControlPath" in word)

    assert path(HOST) == path(replace(HOST))
    others = [
        replace(HOST, known_hosts_file=Path("/other/known_hosts")),
        replace(HOST, identity_file=Path("/other/id")),
        replace(HOST, address="192.0.2.11"),
    ]
    assert len({path(HOST), *map(path, others)}) == 4


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "shows another host key"),
        ("Host key verification failed.", "is not in known_hosts"),
        ("deploy@192.0.2.10: Permission denied (publickey).", "refuses the key"),
        ("Load key: bad permissions", "others can read the key"),
        ("ssh: Could not resolve hostname web1", "cannot be found by name"),
        ("connect to host 192.0.2.10 port 22: Connection refused", "refuses connections"),
        ("connect to host 192.0.2.10 port 22: Connection timed out", "does not answer"),
        ("Error: remote port forwarding failed for listen port 1", "forbids port forwarding"),
        ("debug1: x\nkex_exchange: odd\n", "kex_exchange: odd"),
        ("", "closed the connection"),
    ],
)
def test_each_refusal_has_its_own_line(said: str, line: str) -> None:
    error = ssh.refusal(HOST, said)
    assert isinstance(error, HostError)
    assert str(error).startswith("web1 (deploy@192.0.2.10:2222): ")
    assert line in str(error)
    assert "\n" not in str(error)


def test_a_host_of_a_sandbox_that_is_down_is_started_by_a_task() -> None:
    host = replace(HOST, known_hosts_file=Path("/home/me/repo/.sandbox/ssh/known_hosts"))
    said = ssh.refusal(host, "ssh: connect to host 192.0.2.10 port 2222: No route to host")
    assert str(said).endswith("does not answer; run 'invoke sandbox.up' (--hosts N for several)")
    assert "sandbox" not in str(ssh.refusal(host, "Permission denied (publickey)."))
