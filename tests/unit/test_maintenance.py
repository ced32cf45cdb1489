from typing import Any

import pytest

from slipway import maintenance, ssh
from slipway.command import Result, Shell
from slipway.console import Console
from slipway.errors import CommandError, ConfigurationError, HostError
from slipway.probe import Answer
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from tests.unit.factory import environment

HOSTS = (Host("host1", "192.0.2.10"), Host("host2", "192.0.2.11", user="deploy"))
TEST = environment(hosts=HOSTS)
PAGE = Answer(503, "<!doctype html> <title>Maintenance</title> <html>")


class Hosts:
    """Hold on which hosts the page is shown, and what was asked of them."""

    def __init__(self, deaf: str = "", refusing: str = "") -> None:
        self.on: set[str] = set()
        self.deaf = deaf
        self.refusing = refusing
        self.argv: list[tuple[str, ...]] = []
        self.keys: list[str] = []

    def run(self, _: Shell, host: Host, *argv: str, stdin: Any = None) -> Result:
        self.argv.append(argv)
        if host.name == self.refusing:
            raise CommandError(host.name, "sudo: a password is required")
        if isinstance(stdin, Secret):
            self.keys.append(stdin.reveal().strip())
            self.on.add(host.name)
        else:
            self.on.discard(host.name)
        return Result(0, "", "")

    def ask(self, _: object, host: Host, path: str = "") -> Answer:
        assert path == "/"
        return PAGE if host.name in self.on - {self.deaf} else Answer(200, "the site")


def among(monkeypatch: pytest.MonkeyPatch, hosts: Hosts) -> Hosts:
    monkeypatch.setattr(ssh, "run", hosts.run)
    monkeypatch.setattr(maintenance, "ask", hosts.ask)
    monkeypatch.setattr(maintenance._expect_page, "__defaults__", (0.0,))
    return hosts


def test_all_hosts_show_the_page_and_the_pass_is_in_no_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = among(monkeypatch, Hosts())
    maintenance.maintenance(TEST, Console(), on=True, off=False)
    assert hosts.on == {"host1", "host2"}
    key = hosts.keys[0]
    assert hosts.keys == [key, key]
    assert len(key) == 32
    assert f"http://test.localhost:8080/.maintenance/{key}" in capsys.readouterr().out
    assert not any(key in word for argv in hosts.argv for word in argv)
    assert sorted(argv[0] for argv in hosts.argv) == ["sh", "sudo"]
    maintenance.maintenance(TEST, Console(), on=False, off=True)
    assert hosts.on == set()


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (Hosts(deaf="host2"), "host2: the proxy does not show .* 'invoke provision -e test'"),
        (Hosts(refusing="host2"), "a password is required; does deploy have sudo"),
    ],
)
def test_all_hosts_or_none(monkeypatch: pytest.MonkeyPatch, hosts: Hosts, said: str) -> None:
    among(monkeypatch, hosts)
    with pytest.raises(HostError, match=said):
        maintenance.maintenance(TEST, Console(), on=True, off=False)
    assert hosts.on == set()


def test_what_is_shown_already_stays_where_a_second_run_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = among(monkeypatch, Hosts())
    maintenance.maintenance(TEST, Console(), on=True, off=False)
    hosts.refusing = "host2"
    with pytest.raises(HostError, match="a password is required"):
        maintenance.maintenance(TEST, Console(), on=True, off=False)
    assert hosts.on == {"host1", "host2"}
    assert "was shown before" in capsys.readouterr().err


@pytest.mark.parametrize("both", [True, False])
def test_one_of_on_and_off_is_needed(both: bool) -> None:
    with pytest.raises(ConfigurationError, match="needs --on or --off"):
        maintenance.maintenance(TEST, Console(), on=both, off=both)


def test_only_the_proxys_own_page_counts() -> None:
    assert maintenance.shows_page(PAGE)
    assert not maintenance.shows_page(Answer(503, "<title>Not available yet</title>"))
    assert not maintenance.shows_page(Answer(200, PAGE.text))
