import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway import doctor, engine, ssh
from slipway.checks import access, machine, settings
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import UNHEALTHY, CommandError, HostError, SlipwayError
from slipway.findings import Finding
from slipway.settings.hosts import Host
from tests.unit.factory import ROOT, environment

TOML = """
project = "myapp"
site.url = "http://test.localhost:8080"
storage = {{ provider = "s3", bucket = "myapp-test", endpoint = "http://127.0.0.1:9" }}
[[hosts]]
name = "host1"
address = "127.0.0.1"
port = 9
known_hosts_file = "known_hosts"
{more}
"""


class Bare(Shell):
    """Be a machine on which nothing is installed."""

    def run(self, command: Command, **_: Any) -> Result:
        raise CommandError(command.name, "is not installed", "install it")


@contextmanager
def _no_engine() -> Iterator[Engine]:
    raise SlipwayError("docker", "no engine answers on this machine", "run scripts/bootstrap.sh")
    yield


def repository(root: Path, more: str = "") -> Path:
    for name in ("env/app.env.j2", "compose/stack.yml", "app/Dockerfile", "requirements-uv.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "env" / "test.toml").write_text(TOML.format(more=more))
    return root


def refusing(*_: object) -> None:
    raise HostError("host1", "refuses connections on its SSH port", "is sshd running there?")


def found(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = doctor.doctor(root, Console(as_json=True), name="test", shell=Bare())
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (code == UNHEALTHY) is not printed["healthy"]
    return {f"{one['where']}/{one['name']}": one for one in printed["findings"]}


def test_everything_is_shown_where_nothing_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "local", _no_engine)
    monkeypatch.setattr(ssh, "knock", refusing)
    shown = found(repository(tmp_path), capsys)
    broken = {name for name, one in shown.items() if one["state"] == "fail"}
    assert broken >= {"This machine/engine", "This machine/Compose", "This machine/buildx",
                      "env/test/env file", "env/test/storage DSN", "host1/SSH"}  # fmt: skip
    assert {name for name, one in shown.items() if one["state"] == "skip"} == {
        "host1/host key", "host1/clock", "host1/system", "host1/engine", "host1/disk",
    }  # fmt: skip
    assert all(one["next"] for one in shown.values() if one["state"] == "fail")
    assert "Site/DNS" in shown


def test_settings_that_are_wrong_do_not_keep_the_machine_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "local", _no_engine)
    root = repository(tmp_path, more="port_of_call = 1\nuser = 7")
    shown = found(root, capsys)
    assert shown["env/test/settings"]["state"] == "fail"
    assert "This machine/engine" in shown


def test_a_program_that_is_too_old_or_broken_is_named() -> None:
    class Old(Shell):
        def run(self, command: Command, **_: Any) -> Result:
            old = "git version 1.8.3" if command.argv[0] == "git" else "docker: 'compose' is not"
            return Result(int(command.argv[0] != "git"), old, "")

    old, broken = (machine.program(Old(), name)[0] for name in ("git", "Compose"))
    assert (old.state, old.text) == ("fail", "1.8.3")
    assert old.hint.startswith("2.0 or later is needed")
    assert (broken.state, broken.hint) == ("fail", "run scripts/bootstrap.sh")


def test_the_virtual_environment_is_compared_with_the_locks(tmp_path: Path) -> None:
    for name in ("requirements-uv.txt", *machine.LOCKS):
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv").mkdir()
    stamp = tmp_path / ".venv" / ".locks"
    sums = hashlib.sha256(b"requirements-uv.txtrequirements-dev.txt").hexdigest()
    stamp.write_text(f"{sums}  -\n")
    assert machine.python(tmp_path)[0].state == "ok"
    stamp.write_text("0000  -\n")
    assert machine.python(tmp_path)[0].state == "warn"
    assert machine.python(tmp_path, (3, 10, 1))[0].state == "fail"


def test_a_disk_that_is_nearly_full_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE", 1 << 60)
    assert machine.disk(tmp_path).state == "fail"
    monkeypatch.setattr(machine, "LEAST_FREE", 1)
    assert machine.disk(tmp_path).state == "ok"


def states(some: Iterator[Finding]) -> dict[str, str]:
    return {one.name: one.state for one in some}


def test_an_env_file_that_others_can_read_or_that_lacks_values_is_broken(tmp_path: Path) -> None:
    one = environment(root=repository(tmp_path))
    assert states(settings.files(one)) == {"env file": "fail"}
    one.env_file.write_text("A=1\n")
    one.env_file.chmod(0o644)
    assert states(settings.files(one)) == {"env file": "fail", "complete": "fail"}


def test_ports_that_are_closed_are_told_from_ports_that_listen() -> None:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.getsockname()[1]
        knocked = {port: access.port("host1", "127.0.0.1", port, "hint") for port in (number, 9)}
    assert (knocked[number].state, knocked[9].state) == ("ok", "warn")


def test_a_host_key_is_looked_for_under_its_port(tmp_path: Path) -> None:
    class Keys(Shell):
        asked: tuple[str, ...] = ()

        def run(self, command: Command, **_: Any) -> Result:
            self.asked = command.argv
            return Result(1, "", "")

    shell, path = Keys(), tmp_path / "known_hosts"
    finding = access.key(shell, Host("host1", "192.0.2.10", port=2222, known_hosts_file=path))
    assert shell.asked == ("ssh-keygen", "-F", "[192.0.2.10]:2222", "-f", str(path))
    assert (finding.state, "ssh-keyscan" in finding.hint) == ("fail", True)
