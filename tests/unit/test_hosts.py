import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipway import hosts, preflight
from slipway.environment import Environment
from slipway.errors import CommandError, ConfigurationError, ConfigurationErrors, HostError
from slipway.hosts import HostErrors
from slipway.settings.hosts import Host
from tests.unit.factory import environment

TWO = (Host("web1", "192.0.2.1"), Host("web2", "192.0.2.2"))


def event(kind: str, task: str = "swarm : Start", **results: Any) -> dict[str, Any]:
    return {"_event": f"v2_{kind}", "task": {"name": task}, "hosts": results}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    (tmp_path / "ansible").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return environment(root=tmp_path, hosts=TWO)


def play(site: Environment, *lines: dict[str, Any], code: int = 0, said: str = "") -> None:
    """Put a program in the place of ansible-playbook that says these lines."""
    (site.root / "said").write_text("".join(json.dumps(line) + "\n" for line in lines))
    program = site.root / "bin" / "ansible-playbook"
    program.write_text(
        "#!/bin/sh\n"
        'echo "$@" >../argv; env >../env; cat ../said\n'
        f"echo '{said}' >&2; exit {code}\n"
    )
    program.chmod(0o755)


def converge(site: Environment, *, check: bool = False, port: int = 0) -> list[str]:
    found = hosts.converge(site, check=check, registry_port=port, progress=lambda _: None)
    return [change.line() for change in found.changes]


def test_changes_are_named_by_host_role_and_task(site: Environment) -> None:
    play(
        site,
        event("runner_on_ok", web1={"changed": True}, web2={"changed": False}),
        event("runner_on_skipped", "proxy : Write", web1={"changed": False}),
        event("runner_on_ok", "proxy : Write", web2={"changed": True}),
    )
    assert converge(site) == ["~ web1: swarm: Start", "~ web2: proxy: Write"]


def test_nothing_changed_is_an_empty_result(site: Environment) -> None:
    play(site, event("runner_on_ok", web1={"changed": False}))
    assert converge(site) == []


def test_the_playbook_is_told_the_environment_and_the_port(site: Environment) -> None:
    play(site)
    converge(site, check=True, port=5055)
    variables = (site.root / "env").read_text().splitlines()
    assert "SLIPWAY_ENV=test" in variables
    assert "SLIPWAY_REGISTRY_PORT=5055" in variables
    assert f"SLIPWAY_ROOT={site.root}" in variables
    assert f"ANSIBLE_CONFIG={site.root}/ansible/ansible.cfg" in variables
    assert (site.root / "argv").read_text().split() == ["--check", "provision.yml"]


def test_only_check_mode_is_asked_not_to_change_anything(site: Environment) -> None:
    play(site)
    converge(site)
    assert (site.root / "argv").read_text().split() == ["provision.yml"]


def test_progress_names_tasks_but_no_validation_of_arguments(site: Environment) -> None:
    play(
        site,
        event("playbook_on_task_start", "swarm : Validating arguments against arg spec 'main'"),
        event("playbook_on_task_start", "swarm : Start"),
        event("runner_on_ok", web1={"changed": True}),
    )
    seen: list[str] = []
    hosts.converge(site, check=False, progress=seen.append)
    assert seen == ["swarm: Start"]


def test_a_failure_says_host_task_reason_and_what_to_do(site: Environment) -> None:
    play(site, event("runner_on_failed", web2={"msg": "no space left"}), code=2)
    with pytest.raises(HostError) as failure:
        converge(site)
    assert str(failure.value) == (
        "web2: swarm: Start: no space left; to see all of it: "
        "cd ansible && SLIPWAY_ENV=test ansible-playbook provision.yml"
    )


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ({"msg": "MODULE FAILURE", "module_stderr": "OSError: [Errno 28] No space left on device"},
         "web2: its disk is full; make room there: "),
        ({"msg": "Task failed: Missing sudo password"},
         "web2: root may not use sudo without a password; allow it "),
        ({"msg": "x", "results": [{"failed": True, "assertion": "a", "msg": "the clock is wrong"}]},
         "web2: the clock is wrong"),
        ({"msg": "no new login worked", "action": "ansible.builtin.fail"},
         "web2: no new login worked"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_has_a_line_of_its_own(
    site: Environment, result: dict[str, Any], line: str
) -> None:
    play(site, event("runner_on_failed", web2=result), code=2)
    with pytest.raises(HostError) as failure:
        converge(site)
    assert str(failure.value).startswith(line)
    assert "ansible-playbook" not in str(failure.value)


def test_a_failure_that_was_taken_back_is_told_once_as_its_rescue_tells_it(
    site: Environment,
) -> None:
    play(
        site,
        event("runner_on_failed", "access : Log in", web1={"msg": "non-zero", "stderr": "denied"}),
        event("runner_on_ok", "access : Take back", web1={"changed": True}),
        event("runner_on_failed", "access : Say", web1={"msg": "as it was", "action": hosts.FAIL}),
        code=2,
    )
    with pytest.raises(HostError, match=r"^web1: as it was$"):
        converge(site)


def test_an_unreachable_host_says_why(site: Environment) -> None:
    said = "Failed to connect to the host via ssh: root@192.0.2.1: Permission denied (publickey)."
    play(site, event("runner_on_unreachable", web1={"msg": said}), code=4)
    with pytest.raises(HostError, match=r"^web1 \(root@192\.0\.2\.1:22\): refuses the key; "):
        converge(site)


@pytest.mark.parametrize(
    ("ssh", "reason"),
    [
        ("echo 'root@192.0.2.1: Permission denied (publickey).' >&2; exit 255", "refuses the key"),
        ("exit 0", "Task failed: Data could not be sent to remote host"),
    ],
)
def test_a_host_that_ansible_lost_without_a_word_is_asked_again(
    site: Environment, monkeypatch: pytest.MonkeyPatch, ssh: str, reason: str
) -> None:
    program = site.root / "bin" / "ssh"
    program.write_text(f"#!/bin/sh\n{ssh}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(site.root / "bin"), prepend=os.pathsep)
    said = "Task failed: Data could not be sent to remote host '192.0.2.1'."
    play(site, event("runner_on_unreachable", web1={"msg": said}), code=4)
    with pytest.raises(HostError, match=rf"^web1 \(root@192\.0\.2\.1:22\): {reason}"):
        converge(site)


def test_several_failures_get_a_line_each(site: Environment) -> None:
    play(
        site,
        event("runner_on_unreachable", web1={"msg": "ssh: Connection refused"}),
        event("runner_on_failed", web2={"msg": "no space left"}),
        code=4,
    )
    with pytest.raises(HostErrors) as failure:
        converge(site)
    first, second = str(failure.value).splitlines()
    assert first.startswith("web1 (root@192.0.2.1:22): refuses connections")
    assert second.startswith("web2: swarm: Start: no space left")
    assert failure.value.message == str(failure.value)


def test_ansible_that_does_not_run_says_its_last_words(site: Environment) -> None:
    play(site, code=1, said="ERROR! the playbook could not be found")
    with pytest.raises(CommandError, match="the playbook could not be found"):
        converge(site)


def test_ansible_that_was_interrupted_is_no_failure_of_its_own(site: Environment) -> None:
    play(site, code=99, said="[ERROR]: User interrupted execution")
    with pytest.raises(KeyboardInterrupt):
        converge(site)


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_an_authoritys_certificate_that_cannot_be_read_is_named_before_anything_runs(
    site: Environment, text: str | None
) -> None:
    path = site.root / "ca.pem"
    if text:
        path.write_text(text)
    own = replace(site.site, acme_directory="https://ca/d", acme_root_file=path)
    said = r"test.toml: site.acme_root_file: .*/ca.pem is no certificate \(.+\)"
    with pytest.raises(ConfigurationError, match=said):
        converge(replace(site, site=own))
    with pytest.raises(ConfigurationErrors) as deploy:
        preflight.check_files(replace(site, site=own))
    assert [one for one in deploy.value.problems if re.search(said, str(one))]


def test_missing_ansible_is_one_line(site: Environment) -> None:
    with pytest.raises(CommandError, match="ansible-playbook: is not installed"):
        converge(site)


def test_what_is_no_event_is_passed_over() -> None:
    lines = [b"[WARNING]: old\n", b"[1, 2]\n", b'{"a": 1}\n', b'{"_event": "v2_x"}\n']
    assert list(hosts.events(lines)) == [{"_event": "v2_x"}]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"msg": "Task failed: Action failed: no"}, "no"),
        ({"msg": "non-zero return code", "stderr": "first\nlast\n"}, "last"),
        ({"msg": "x", "stderr": '{"level": "error", "msg": "bad Caddyfile"}'}, "bad Caddyfile"),
        ({"msg": "all", "results": [{"msg": "fine"}, {"failed": True, "msg": "bad"}]}, "bad"),
        ({}, "no reason given"),
    ],
)
def test_the_reason_is_what_the_failing_program_said(result: dict[str, Any], reason: str) -> None:
    assert hosts.reason_of(result) == reason
