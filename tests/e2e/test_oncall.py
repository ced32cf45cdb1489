"""Look after the deployed site as the one on call does; runs before the story's last test."""

import http.client
import json
import os
import pty
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway import environment, fields
from tests.e2e.machine import INVOKE, ROOT, Sampler, docker, invoke, result_of

HOST = "slipway-host1"
ENV_FILE = ROOT / "env" / "test.env"


@pytest.fixture(autouse=True)
def _deployed(story: dict[str, Any]) -> None:
    assert story["url"]


def get(path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    connection.request("GET", path, headers={"Host": "test.localhost:8080", **headers})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()


def states(name: str, *words: str) -> dict[str, str]:
    said = json.loads(invoke(name, "--json", *words, check=False).stdout)
    assert fields.differences(name, said) == []
    return {f"{one['where']}/{one['name']}": one["state"] for one in said["findings"]}


def test_status_shows_a_healthy_site_within_80_columns() -> None:
    # Tasks of a roll-out just before may still be ending.
    deadline = time.monotonic() + 60
    while (said := result_of("status"))["services"][0]["running"] > 2:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert said["healthy"] is True
    assert [one["name"] for one in said["services"]] == ["web", "proxy", "db"]
    assert said["services"][0]["running"] == said["services"][0]["wanted"] == 2
    assert said["storage"]["files"] >= 500
    assert said["database"]["bytes"] > 5_000_000
    assert said["env"] == {"same": True}
    assert said["backup"]["name"] == "myapp__previous"
    assert said["backup"]["undone"] is False
    assert said["release"]["name"] == result_of("deploy")["release"]
    shown = invoke("status").stdout
    assert "from before the push" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_status_says_what_is_broken_and_exits_11() -> None:
    scale = ("exec", HOST, "docker", "service", "scale", "--detach")
    docker(*scale, "myapp-test_web=0")
    before = ENV_FILE.read_bytes()
    try:
        ENV_FILE.write_bytes(before + b"ADDED=1\n")
        until_nothing_serves()
        done = invoke("status", check=False)
    finally:
        ENV_FILE.write_bytes(before)
        docker(*scale, "myapp-test_web=2")
    assert done.returncode == 11
    assert "env/test.env differs from what is deployed" in done.stdout
    assert "✗ web" in done.stdout or "! web" in done.stdout
    until_healthy()


def until_nothing_serves() -> None:
    deadline = time.monotonic() + 90
    while get("/livez")[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def until_healthy() -> None:
    deadline = time.monotonic() + 90
    while invoke("status", check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(1)


def test_doctor_finds_nothing_wrong_here() -> None:
    found = states("doctor")
    # How full the disk is, is the machine's own affair.
    wrong = {name for name, state in found.items() if state != "ok" and not name.endswith("/disk")}
    assert wrong == set()


@pytest.fixture
def known_hosts() -> Iterator[Path]:
    path = ROOT / ".sandbox" / "ssh" / "known_hosts"
    kept = path.with_suffix(".kept")
    shutil.move(path, kept)
    path.write_text("")
    yield path
    shutil.move(kept, path)


def test_doctor_names_an_unknown_host_key_and_goes_on(known_hosts: Path) -> None:
    assert known_hosts.is_file()
    found = states("doctor")
    assert (found["host1/host key"], found["host1/SSH"]) == ("fail", "fail")
    assert found["host1/clock"] == "skip"
    assert found["env/test/storage DSN"] == "ok"


def test_doctor_works_without_engine_and_env_file() -> None:
    kept = ENV_FILE.with_suffix(".kept")
    shutil.move(ENV_FILE, kept)
    try:
        done = subprocess.run(
            [INVOKE, "doctor"], cwd=ROOT, capture_output=True, text=True,
            env={**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"},
        )  # fmt: skip
    finally:
        shutil.move(kept, ENV_FILE)
    assert done.returncode == 11
    assert "no engine answers on this machine" in done.stdout
    assert "env/test.env is missing" in done.stdout
    assert "✓ SSH" in done.stdout
    assert "Traceback" not in done.stderr
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_manage_and_shell_run_in_the_site_and_pass_the_exit_code_on() -> None:
    assert "no issues" in invoke("manage", "check").stdout + invoke("manage", "check").stderr
    assert invoke("manage", "nonsense", check=False).returncode == 1
    done = subprocess.run([INVOKE, "shell"], cwd=ROOT, capture_output=True, text=True,
                          input="id -u; test -f /run/secrets/env && exit 7\n")  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("1000", 7)
    done = subprocess.run([INVOKE, "shell", "--service", "db"], cwd=ROOT, capture_output=True,
                          text=True, input="postgres --version\n")  # fmt: skip
    assert done.stdout.startswith("postgres (PostgreSQL)")
    done = subprocess.run([INVOKE, "ssh"], cwd=ROOT, capture_output=True, text=True,
                          input="hostname; exit 4\n")  # fmt: skip
    assert done.stdout.split()[-1:] == ["host1"]
    assert done.returncode == 4


def test_a_terminal_reaches_into_the_container() -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [INVOKE, "shell"], cwd=ROOT, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    os.write(leader, b"tty && stty size; exit 5\n")
    said = b""
    try:
        while chunk := os.read(leader, 4096):
            said += chunk
    except OSError:
        # The other end has closed it.
        pass
    assert process.wait(30) == 5
    assert b"/dev/pts/" in said


def test_logs_come_from_all_tasks_without_secrets() -> None:
    get("/healthz")
    said = invoke("logs", "--service", "db", "--since", "1d").stdout
    assert "db.1@host1 | " in said
    assert "database system is ready to accept connections" in said
    assert invoke("logs", "--since", "yesterday", check=False).returncode == 3


def test_following_logs_ends_with_ctrl_c() -> None:
    process = subprocess.Popen(
        [INVOKE, "logs", "-f", "--service", "db"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert "db.1@host1" in process.stdout.readline()
    process.send_signal(2)
    assert process.wait(30) == 0


def test_maintenance_shows_a_page_survives_a_restart_and_lets_deploys_and_the_pass_through(
    sampler: Sampler,
) -> None:
    begun = result_of("maintenance", "--on")
    try:
        status, headers, page = get("/")
        assert (status, headers["Retry-After"]) == (503, "120")
        assert "Back soon" in page
        assert get("/healthz")[0] == 200
        path = "/" + begun["pass_url"].split("/", 3)[3]
        entered, headers, _ = get(path)
        cookie = headers["Set-Cookie"].split(";")[0]
        assert (entered, get("/", Cookie=cookie)[0]) == (302, 200)
        flag = environment.load("test", ROOT).stack
        wrong = ("slipway_pass=*", "slipway_pass=", cookie[:-1] + "?", f"slipway_pass=/../{flag}")
        assert [get("/", Cookie=one)[0] for one in wrong] == [503] * 4
        assert not any(cookie.split("=")[1].encode() in argv for argv in sampler.seen)
        assert states("status")["Hosts/maintenance"] == "warn"
        restart = "docker kill $(docker ps -qf label=com.docker.swarm.service.name=slipway_proxy)"
        docker("exec", HOST, "sh", "-c", restart)
        assert until_answers() == 503
        assert invoke("provision", "--plan", check=False).returncode == 0
        assert get("/")[0] == 503
    finally:
        invoke("maintenance", "--off")
    assert get("/")[0] == 200


def until_answers() -> int:
    deadline = time.monotonic() + 60
    while True:
        try:
            return get("/")[0]
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_prune_keeps_what_runs_and_five_releases() -> None:
    until_healthy()
    release = result_of("status")["release"]["name"]
    for number in range(7):
        docker("exec", HOST, "docker", "tag", f"myapp:{release}", f"myapp:2020010{number}-000000-x")
    pruned = result_of("prune", "--yes")
    assert pruned["images"]["host1"] >= 2
    left = docker("exec", HOST, "docker", "images", "--format", "{{.Tag}}", "myapp").split()
    assert release in left
    assert len(left) == 5
    assert result_of("prune", "--yes")["images"] == {"here": 0, "host1": 0}
    assert get("/healthz")[0] == 200
