"""Bring the hosts to the state that a deploy needs, through Ansible's playbook."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway import probe, ssh
from slipway.command import Command, Shell
from slipway.environment import Environment
from slipway.errors import CommandError, HostError
from slipway.plan import Change
from slipway.settings.hosts import Host

Progress = Callable[[str], None]
FULL = "make room there: 'df -h' and 'docker system df' say what fills it"
SUDO = 'allow it with NOPASSWD in /etc/sudoers.d, or set user = "root"'
FAIL = "ansible.builtin.fail"
SILENT = "Data could not be sent"
REASONS = (
    (r"No space left on device", "its disk is full", FULL),
    (r"missing sudo password|incorrect sudo password|sudo: a password is required"
     r"|not in the sudoers|sudo: (command )?not found|may not run sudo",
     "{user} may not use sudo without a password", SUDO),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostsResult:
    """Hold what Ansible changed on the hosts or, in check mode, would change."""

    changes: tuple[Change, ...]


class HostErrors(HostError):
    """Say of several hosts why each failed, a line for each."""

    def __init__(self, errors: list[HostError]) -> None:
        self.errors = errors
        super().__init__(errors[0].where, errors[0].what, errors[0].hint)
        self.message = str(self)

    def __str__(self) -> str:
        return "\n".join(error.line() for error in self.errors)


@dataclass(slots=True)
class Report:
    """Gather what the playbook says while it runs."""

    environment: Environment
    changes: list[Change] = field(default_factory=list)
    # A host goes on after a failure only where it is taken back: what it says last counts.
    failures: dict[str, HostError] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event of Ansible's jsonl callback."""
        for host, result in event.get("hosts", {}).items():
            match event["_event"]:
                case "v2_runner_on_ok" if result.get("changed"):
                    self.changes.append(Change("hosts", "change", host, task_of(event)))
                case "v2_runner_on_failed":
                    self.failures[host] = self._failure(host, task_of(event), result)
                case "v2_runner_on_unreachable":
                    self.failures[host] = self._unreachable(host, str(result.get("msg", "")))

    def _failure(self, host: str, task: str, result: Mapping[str, Any]) -> HostError:
        if "assertion" in failed_of(result) or result.get("action") == FAIL:
            return HostError(host, reason_of(result))
        for pattern, what, hint in REASONS:
            if re.search(pattern, json.dumps(result), re.IGNORECASE):
                return HostError(host, what.format(user=self._host(host).user), hint)
        again = f"cd ansible && SLIPWAY_ENV={self.environment.name} ansible-playbook provision.yml"
        return HostError(f"{host}: {task}", reason_of(result), f"to see all of it: {again}")

    def _unreachable(self, name: str, said: str) -> HostError:
        # An ssh that ends before it has read what Ansible sends leaves only "broken pipe" behind.
        if SILENT in said:
            try:
                ssh.knock(Shell(), self._host(name))
            except HostError as refusal:
                return refusal
        return ssh.refusal(self._host(name), said)

    def _host(self, name: str) -> Host:
        return next(host for host in self.environment.hosts if host.name == name)


# What ansible-playbook ends with when it was interrupted itself.
ANSIBLE_INTERRUPTED = 99


def converge(
    environment: Environment, *, check: bool, registry_port: int = 0, progress: Progress
) -> HostsResult:
    """Run the playbook on all hosts of an environment; with `check` change nothing.

    `registry_port` is the port on the hosts' loopback behind which this machine's image
    registry answers, 0 where there is none; `progress` gets the name of each task as it
    starts. Raises HostError for the first host that cannot be reached or refuses, HostErrors
    for several, ConfigurationError where an authority's certificate cannot be read,
    CommandError where Ansible itself does not run.
    """
    probe.refuse_bad_root(environment)
    report = Report(environment)
    with tempfile.TemporaryFile() as errors:
        process = Shell().start(_playbook(environment, check, registry_port), stderr=errors)
        try:
            for event in events(process.stdout or ()):
                _show(event, progress)
                report.add(event)
        finally:
            process.terminate()
            code = process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    _raise(list(report.failures.values()))
    if code == ANSIBLE_INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        raise CommandError("ansible-playbook", f"failed ({code}): {_last_line(said)}")
    return HostsResult(tuple(report.changes))


def events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read the events out of Ansible's output, passing over whatever else is printed."""
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "_event" in event:
            yield event


def task_of(event: Mapping[str, Any]) -> str:
    """Return an event's task as `role: task`, without what only its author need know."""
    name = str(event["task"]["name"]).replace(" : ", ": ", 1)
    return name.removesuffix(" (only counted in check mode)")


def failed_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task's result, or that of the first item of its loop that failed."""
    failed = [item for item in result.get("results", ()) if item.get("failed")]
    return failed[0] if failed else result


def reason_of(result: Mapping[str, Any]) -> str:
    """Return in one line why a task failed, in the words of the program that failed."""
    result = failed_of(result)
    program = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    if program:
        return _said(program.splitlines()[-1])
    text = str(result.get("msg") or "no reason given").strip()
    return text.removeprefix("Task failed: ").removeprefix("Action failed: ")


def _said(line: str) -> str:
    """Return the message of a line of a structured log, as Caddy writes, or the line."""
    try:
        return str(json.loads(line)["msg"])
    except (ValueError, KeyError, TypeError):
        return line


def _playbook(environment: Environment, check: bool, registry_port: int) -> Command:
    programs, folder = Path(sys.executable).parent, environment.root / "ansible"
    options = ["--check"] if check else []
    return Command.of(
        programs / "ansible-playbook",
        *options,
        "provision.yml",
        cwd=folder,
        env={
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(ssh.sockets()),
            # Ansible refuses to run where the locale is not UTF-8.
            "LC_ALL": "C.UTF-8",
            "PATH": _path(programs),
            "SLIPWAY_ENV": environment.name,
            "SLIPWAY_REGISTRY_PORT": str(registry_port),
            "SLIPWAY_ROOT": str(environment.root),
        },
    )


def _path(programs: Path) -> str:
    """Put this virtual environment first: the inventory script asks for `python3`."""
    return os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])


def _show(event: Mapping[str, Any], progress: Progress) -> None:
    starts = event["_event"] in {"v2_playbook_on_task_start", "v2_playbook_on_handler_task_start"}
    if starts and "Validating arguments" not in task_of(event):
        progress(task_of(event))


def _raise(errors: list[HostError]) -> None:
    if len(errors) > 1:
        raise HostErrors(errors)
    if errors:
        raise errors[0]


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
