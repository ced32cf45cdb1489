import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import Mock

import pytest

from slipway import engine, remote, ssh
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import ConfigurationError, HostError, SlipwayError
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from tests.unit.factory import environment

HOSTS = (Host("host1", "192.0.2.10"), Host("host2", "192.0.2.11"))
TEST = environment(hosts=HOSTS, variables={"SECRET_KEY": Secret("hidden-key")})


class Line(Shell):
    """Answer `docker ps` by host and filter; run attached programs as a local one."""

    def __init__(self, containers: dict[tuple[str, str], str], code: int = 0) -> None:
        self.containers = containers
        self.code = code
        self.attached: list[tuple[str, ...]] = []

    def run(self, command: Command, **_: Any) -> Result:
        if "192.0.2.9" in command.argv:
            return Result(255, "", "Connection refused")
        address = next(word for word in command.argv if word.startswith("192."))
        asked = command.argv[-1]
        for (host, state), container in self.containers.items():
            if host == address and state in asked:
                return Result(0, f"{container}\n", "")
        return Result(0, "", "")

    def start(self, command: Command, **options: Any) -> subprocess.Popen[bytes]:
        self.attached.append(command.argv)
        code = f"raise SystemExit({self.code})"
        return super().start(Command.of(sys.executable, "-c", code), **options)


def test_a_healthy_container_is_found_on_whichever_host_it_is() -> None:
    line = Line({("192.0.2.10", "status=running"): "sick", ("192.0.2.11", "healthy"): "well"})
    assert remote.find(line, TEST, "web") == (HOSTS[1], "well")
    assert remote.find(Line({("192.0.2.10", "running"): "sick"}), TEST, "web")[1] == "sick"


def test_a_host_that_is_down_is_passed_over_unless_it_may_have_the_only_one() -> None:
    hosts = (Host("host0", "192.0.2.9"), HOSTS[1])
    found = remote.find(Line({("192.0.2.11", "healthy"): "c"}), environment(hosts=hosts), "db")
    assert found == (hosts[1], "c")
    with pytest.raises(HostError, match="refuses connections on its SSH port"):
        remote.find(Line({}), environment(hosts=hosts), "web")
    with pytest.raises(HostError, match="no task of myapp-test_web runs; 'invoke status -e test'"):
        remote.find(Line({}), TEST, "web")


def test_manage_passes_words_and_exit_code_on() -> None:
    line = Line({("192.0.2.11", "healthy"): "c1"}, code=3)
    said = remote.manage(TEST, Console(), command="check --tag 'a b'", shell=line)
    assert said == 3
    words = line.attached[0]
    assert words[-3:-1] == ("192.0.2.11", "--")
    assert words[-1] == "docker exec --interactive c1 python manage.py check --tag 'a b'"
    assert "-T" in words
    with pytest.raises(ConfigurationError, match="a quote is not closed"):
        remote.manage(TEST, Console(), command="shell -c '", shell=line)


def test_a_terminal_here_is_a_terminal_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "at_terminal", lambda: True)
    line = Line({("192.0.2.10", "healthy"): "c1"})
    assert remote.shell(TEST, Console(), service="db", shell=line) == 0
    assert "-tt" in line.attached[0]
    assert line.attached[0][-1] == "docker exec --interactive --tty c1 sh"


def test_ssh_opens_the_host_that_is_named() -> None:
    line = Line({})
    assert remote.login(TEST, Console(), host="host2", shell=line) == 0
    assert line.attached[0][-1] == "192.0.2.11"
    with pytest.raises(ConfigurationError, match="--host web9: is unknown; known: host1, host2"):
        remote.login(TEST, Console(), host="web9", shell=line)


class Printing(Shell):
    def __init__(self, code: str) -> None:
        self.code = code
        self.asked: tuple[str, ...] = ()

    def start(self, command: Command, **options: Any) -> subprocess.Popen[bytes]:
        self.asked = command.argv
        return super().start(Command.of(sys.executable, "-c", self.code), **options)


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(_: Shell, host: Host) -> Any:
        yield Engine(Mock(), "unix:///fake", host.name)

    on_host: Callable[..., AbstractContextManager[Engine]] = opened
    monkeypatch.setattr(engine, "on_host", on_host)


def test_logs_come_short_and_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Printing("print('T myapp-test_web.1.k2vbn5@host1    | key hidden-key [x]')")
    assert remote.logs(TEST, Console(), follow=True, since="1d", shell=shell) == 0
    assert capsys.readouterr().out == "T web.1@host1 | key *** [x]\n"
    assert shell.asked[3:] == ("--timestamps", "--follow", "--since", "24h", "myapp-test_web")


def test_logs_that_cannot_be_read_say_why() -> None:
    shell = Printing("print('no such service: x'); raise SystemExit(1)")
    with pytest.raises(SlipwayError, match="no such service: x"):
        remote.logs(TEST, Console(), shell=shell)
    assert "--tail" in shell.asked


@pytest.mark.parametrize("since", ["yesterday", "10", "5w", "2026-1-1"])
def test_a_time_that_is_none_is_refused(since: str) -> None:
    with pytest.raises(ConfigurationError, match="write 30m, 2h, 1d"):
        remote.logs(TEST, Console(), since=since)


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="known: web, db, proxy"):
        remote.service_name(TEST, "redis")
