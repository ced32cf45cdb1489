"""The module that Ansible runs on each host, loaded from its file as Ansible does."""

import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest

from tests.unit.factory import ROOT


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "host_state", ROOT / "ansible" / "library" / "host_state.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


host_state = load()
ANSWERS = {"answers": True, "swarm": host_state.NO_SWARM}
FORM = {"ContainerSpec": {"Image": "postgres:17"}, "ForceUpdate": 0}


def service(mode: dict[str, Any] | None = None) -> dict[str, Any]:
    wanted = {"Mode": mode or {"Replicated": {"Replicas": 1}}}
    return {"ID": "s1", "Spec": {**wanted, "TaskTemplate": {**FORM, "Runtime": "container"}}}


def task(**fields: Any) -> dict[str, Any]:
    return {"ServiceID": "s1", "Status": {"State": "running"}, "Spec": FORM, **fields}


def test_a_service_whose_tasks_run_as_wanted_is_settled() -> None:
    assert host_state.settled(service(), [task(), task(ServiceID="s2", Spec={})], 1)


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [task(ServiceID="s2")],
        [task(Status={"State": "starting"})],
        [task(Spec={**FORM, "ContainerSpec": {"Image": "postgres:16"}})],
        [task(), task(Status={"State": "preparing"})],
    ],
    ids=["none", "another's", "not yet healthy", "former form", "one too many"],
)
def test_a_service_is_not_settled_before_its_present_tasks_run(tasks: list[Any]) -> None:
    assert not host_state.settled(service(), tasks, 1)


def test_a_global_service_is_settled_when_it_runs_on_every_node() -> None:
    everywhere = service({"Global": {}})
    assert not host_state.settled(everywhere, [task()], 2)
    assert host_state.settled(everywhere, [task(), task()], 2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"UpdateStatus": None}, False),
        ({"UpdateStatus": {"State": "updating"}}, False),
        ({"UpdateStatus": {"State": "completed"}}, False),
        ({"UpdateStatus": {"State": "rollback_completed"}}, True),
        ({"UpdateStatus": {"State": "paused"}}, True),
    ],
)
def test_an_update_that_was_taken_back_is_given_up(status: Any, expected: bool) -> None:
    assert host_state.given_up({**service(), **status}) is expected


def test_files_are_described_by_owner_mode_and_content(tmp_path: Any) -> None:
    path = tmp_path / "Caddyfile"
    path.write_bytes(b"abc")
    path.chmod(0o640)
    found = host_state.described(path)
    assert found["mode"] == "0640"
    assert found["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert host_state.described(tmp_path)["sha256"] == ""


def test_the_sites_own_files_stay_unread(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "myapp-test"
    (home / "data" / "media").mkdir(parents=True)
    (home / "data" / "media" / "picture.jpg").touch()
    (home / "services.yml").touch()
    monkeypatch.setattr(host_state, "FOLDERS", (str(tmp_path),))
    found = {path.removeprefix(str(tmp_path)) for path in host_state.files()}
    assert found == {"", "/myapp-test", "/myapp-test/data", "/myapp-test/services.yml"}


def test_a_host_without_an_engine_has_every_field(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_state, "SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(host_state, "DAEMON_FILE", tmp_path / "daemon.json")
    monkeypatch.setattr(host_state, "mtu", lambda: 1500)
    found = host_state.state()
    assert found["answers"] is False
    assert found["swarm"]["LocalNodeState"] == "inactive"
    assert found["daemon"] == {}
    assert [found[key] for key in ("images", "networks", "secrets", "settled")] == [[]] * 4


def test_an_engine_that_was_just_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([{}, {}, ANSWERS])
    monkeypatch.setattr(host_state, "told", lambda: next(answers))
    monkeypatch.setattr(host_state, "PAUSE", 0)
    host_state.awaited(60)
    assert next(answers, None) is None


def test_a_swarm_is_waited_for_until_it_has_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    pending = {"answers": True, "swarm": {**host_state.NO_SWARM, "LocalNodeState": "pending"}}
    answers = iter([{**ANSWERS, "leaderless": True}, pending, {**ANSWERS, "leaderless": False}])
    monkeypatch.setattr(host_state, "told", lambda: next(answers))
    monkeypatch.setattr(host_state, "PAUSE", 0)
    host_state.awaited(60)
    assert next(answers, None) is None


class Manager:
    """Answer as an engine that leads a Swarm, or as one whose Swarm has no leader."""

    def __init__(self, members: Any) -> None:
        self.members = members

    def asked(self, path: str) -> Any:
        return self.members if path == "/nodes" else []

    get = asked


def test_a_swarm_without_a_leader_is_told_apart_from_one_without_nodes() -> None:
    assert host_state.of_manager(Manager(None)) == {"leaderless": True}
    member = {
        "ID": "n1",
        "Spec": {"Role": "manager", "Labels": {"a": "b"}},
        "Status": {"State": "ready"},
        "Description": {"Hostname": "web1"},
    }
    found = host_state.of_manager(Manager([member]))
    assert "leaderless" not in found
    assert (found["nodes"], found["names"]) == ({"n1": {"a": "b"}}, {"n1": "web1"})
    assert found["up"] == ["n1"]


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("PG_VERSION", "17", {"major": 17, "folder": "."}),
        ("18/docker/PG_VERSION", "18", {"major": 18, "folder": "18/docker"}),
        ("pgdata/PG_VERSION", "16", {"major": 16, "folder": "pgdata"}),
        ("PG_VERSION", "9.6", {"major": 9, "folder": "."}),
        ("base/1/PG_VERSION", "17", {"major": 0, "folder": "."}),
        (".new/PG_VERSION", "17", {"major": 0, "folder": "."}),
        ("PG_VERSION", "", {"major": 0, "folder": "."}),
    ],
)
def test_the_database_in_a_volume_is_found_wherever_images_put_it(
    path: str, version: str, expected: Any, tmp_path: Any
) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(f"{version}\n")
    assert host_state.cluster(tmp_path) == expected


def test_of_two_databases_in_a_volume_the_newer_one_counts(tmp_path: Any) -> None:
    for name, version in (("9/docker", "9.6"), ("18/docker", "18"), ("17/docker", "17")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "PG_VERSION").write_text(version)
    assert host_state.cluster(tmp_path) == {"major": 18, "folder": "18/docker"}


def test_nobody_waits_for_an_engine_without_being_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_state, "told", lambda: pytest.fail("asked the engine"))
    host_state.awaited(0)


def test_what_programs_of_the_host_say_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "sshd": "port 22\nport 2222\npermitrootlogin without-password\nx11forwarding no\n",
        "nft": 'table inet slipway {\n\tcomment "abc"\n\tchain arriving {\n',
        "systemctl": "Id=a.timer\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\n\n"
        "Id=b.timer\nLoadState=masked\nUnitFileState=masked\nActiveState=inactive\n\n"
        "Id=c.service\nLoadState=not-found\nUnitFileState=\nActiveState=inactive\n",
        "ip": json.dumps([
            {"ifname": "eth0", "mtu": 1450,
             "addr_info": [{"local": "192.0.2.1", "scope": "global"},
                           {"local": "fe80::1", "scope": "link"}]},
            {"ifname": "docker0", "mtu": 1500,
             "addr_info": [{"local": "172.17.0.1", "scope": "global"}]},
        ]),
    }  # fmt: skip
    monkeypatch.setattr(host_state, "said", lambda program, *_: answers.get(program, ""))
    assert host_state.sshd() == {
        "port": [22, 2222], "permitrootlogin": "prohibit-password", "x11forwarding": "no",
    }  # fmt: skip
    assert host_state.firewall() == "abc"
    assert host_state.units() == {
        "a.timer": {"enabled": True, "active": True},
        "b.timer": {"enabled": False, "active": False},
    }
    assert host_state.addresses() == {"192.0.2.1": 1450}
    assert host_state.in_container() is False


def test_a_host_without_these_programs_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_state, "PROGRAMS", "/nowhere")
    assert (host_state.sshd(), host_state.firewall(), host_state.units()) == ({}, "", {})
    assert (host_state.addresses(), host_state.packages()) == ({}, [])


class User:
    """Stand for an entry of the list of users."""

    def __init__(self, home: Any) -> None:
        self.pw_dir = str(home)


def test_keys_are_read_without_comments(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_state.pwd, "getpwnam", lambda _: User(tmp_path))
    assert host_state.keys_of("me") == []
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text("# Mine\n\nssh-ed25519 AAAA me\n")
    assert host_state.keys_of("me") == ["ssh-ed25519 AAAA me"]


def test_keys_with_a_comment_in_another_encoding_are_read(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_bytes(b"ssh-rsa AAAA J\xfcrg\nssh-rsa BBBB me\n")
    monkeypatch.setattr(host_state.pwd, "getpwnam", lambda _: User(tmp_path))
    assert host_state.keys_of("me") == ["ssh-rsa AAAA J\ufffdrg", "ssh-rsa BBBB me"]
    json.dumps(host_state.keys_of("me")).encode()


@pytest.mark.parametrize("refusal", [PermissionError, IsADirectoryError, TimeoutError])
def test_homes_that_cannot_be_read_are_passed_over(
    refusal: type[OSError], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise refusal

    monkeypatch.setattr(host_state.pwd, "getpwnam", lambda _: User(tmp_path))
    monkeypatch.setattr(host_state.Path, "read_text", refuse)
    assert host_state.keys_of("me") == []
