"""Live the whole story on real parts, and try to break it."""

import json
import os
import re
import signal
import subprocess
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from slipway import local
from slipway.command import Shell
from slipway.environment import read_variables
from slipway.sandbox.browser import Browser
from tests.e2e.machine import INVOKE, ROOT, Sampler, docker, invoke, result_of

SITE = ("http://127.0.0.1:8080", "test.localhost:8080")
HOST = "slipway-host1"
DEPLOY_FAILED = 7
LOST_FILE = """
from uploader.models import UploadedFile
UploadedFile.objects.create(file="lost.txt")
"""
COUNT = """
from uploader.models import UploadedFile
print(UploadedFile.objects.count())
"""
BULK = """
create table if not exists bulk as
    select n, md5(n::text) || md5((n * 7)::text) as text from generate_series(1, 1500000) n;
"""


def secrets() -> set[str]:
    """Return every secret that the story made."""
    found = set()
    for path in (ROOT / "env" / "test.env", ROOT / "env" / "local.env"):
        variables = read_variables(path)
        found.add(variables["SECRET_KEY"].reveal())
        for name in ("DATABASE_URL", "DEFAULT_STORAGE_DSN"):
            password = urlsplit(variables[name].reveal()).password
            found |= {password, unquote(password)} if password else set()
    found.add(read_variables(ROOT / ".sandbox" / "demo.env")["PASSWORD"].reveal())
    text = (ROOT / ".sandbox" / "s3-credentials").read_text()
    found |= set(re.findall(r"aws_secret_access_key *= *(\S+)", text))
    return found


def rows() -> dict[str, str]:
    return Browser(*SITE).files()


def on_host(*words: str, stdin: str = "") -> str:
    return docker("exec", "-i", HOST, *words, stdin=stdin)


def target_database(sql: str) -> list[str]:
    container = on_host("docker", "ps", "-q", "-f", "name=myapp-test-services_db").split()[0]
    psql = ["docker", "exec", "-i", container, "psql", "-U", "postgres", "-At"]
    return on_host(*psql, stdin=sql).splitlines()


def local_database(sql: str) -> None:
    container = docker("ps", "-q", "-f", f"label=com.docker.compose.project={local.project(ROOT)}",
                       "-f", "label=com.docker.compose.service=db").split()[0]  # fmt: skip
    url = urlsplit(read_variables(ROOT / "env" / "local.env")["DATABASE_URL"].reveal())
    docker("exec", "-i", container, "psql", "-q", "-U", str(url.username), url.path[1:], stdin=sql)


def test_media_and_database_arrive(story: dict[str, Any]) -> None:
    first = story["first"]
    assert first["push-media"]["failed"] == 0
    assert first["push-media"]["uploaded"] + first["push-media"]["skipped"] >= 500
    assert first["push-db"]["rows"] >= 500
    assert first["deploy"]["release"]
    assert story["checked"]["files"] >= 500
    assert story["checked"]["bytes"] > 2_000_000


def test_the_second_run_changes_and_sends_nothing(story: dict[str, Any]) -> None:
    assert story["again"]["provision"]["changes"] == []
    assert story["again"]["push-media"]["uploaded"] == 0
    assert story["again"]["push-media"]["bytes_sent"] == 0


def test_names_with_spaces_accents_and_folders_open(story: dict[str, Any]) -> None:
    assert story["url"]
    names = rows()
    assert any(" " in name and "/" in name for name in names)
    assert any("ü" in name or "é" in name for name in names)


def test_files_in_data_belong_to_the_one_who_runs_it(story: dict[str, Any]) -> None:
    assert story["checked"]["files"]
    owners = {path.stat().st_uid for path in (ROOT / "data").rglob("*")}
    assert owners == {os.getuid()}


def test_no_argument_list_ever_shows_a_secret(story: dict[str, Any], sampler: Sampler) -> None:
    assert story["seconds"] > 0
    hidden = secrets()
    assert len(hidden) >= 6
    assert all(len(secret) >= 16 for secret in hidden)
    shown = [argv for argv in sampler.seen for secret in hidden if secret.encode() in argv]
    assert shown == []


def test_inspecting_containers_and_services_shows_no_secret(story: dict[str, Any]) -> None:
    assert story["url"]
    inspected = docker("inspect", *docker("ps", "-aq").split())
    inspected += on_host("sh", "-c", "docker inspect $(docker ps -aq) $(docker service ls -q)")
    assert [secret for secret in secrets() if secret in inspected] == []


def test_the_env_file_is_for_its_owner_alone(story: dict[str, Any]) -> None:
    assert story["url"]
    assert (ROOT / "env" / "test.env").stat().st_mode & 0o777 == 0o600


def test_a_plan_without_changes_exits_0(story: dict[str, Any]) -> None:
    assert story["url"]
    done = invoke("provision", "--plan", check=False)
    assert (done.returncode, "nothing to change" in done.stdout) == (0, True)


def test_a_deploy_without_changes_ships_nothing(story: dict[str, Any]) -> None:
    again = result_of("deploy")
    assert again["release"] == story["first"]["deploy"]["release"]
    assert again["bytes_shipped"] == 0
    assert again["changed"] is False


def test_a_bucket_policy_deleted_by_hand_is_found_and_mended(story: dict[str, Any]) -> None:
    assert story["url"]
    from slipway import environment
    from slipway.storage.s3_client import client

    storage = environment.load("test", ROOT).storage
    client(storage, "s3").delete_bucket_policy(Bucket=storage.bucket)
    assert invoke("provision", "--plan", check=False).returncode == 2
    changes = result_of("provision", "--yes")["changes"]
    assert [one["resource"] for one in changes] == [f"policy of bucket {storage.bucket}"]
    assert invoke("provision", "--plan", check=False).returncode == 0


def test_three_mistakes_are_named_in_one_run(story: dict[str, Any]) -> None:
    assert story["url"]
    path = ROOT / "env" / "broken.toml"
    text = (ROOT / "env" / "test.toml").read_text()
    text = text.replace("http://test", "htp://test").replace('"s3"', '"s33"')
    path.write_text(text.replace('bucket = "', 'bukket = "'))
    try:
        done = invoke("provision", "-e", "broken", check=False)
    finally:
        path.unlink()
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for word in ("site.url", "storage.provider", "storage.bukket", "storage.bucket is missing"):
        assert word in done.stderr


def test_a_killed_push_db_leaves_the_old_rows_serving(story: dict[str, Any]) -> None:
    before = rows()
    assert len(before) >= story["checked"]["files"]
    local_database(BULK)
    push = subprocess.Popen(
        [INVOKE, "push-db", "--yes"], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    names = "select datname from pg_database;"
    while "myapp__incoming" not in target_database(names):
        assert push.poll() is None
        assert time.monotonic() < deadline
    # The lease is that of deploys too: whoever comes is told who is at work.
    os.killpg(push.pid, signal.SIGSTOP)
    refused = invoke("undo-db", "--yes", check=False)
    assert refused.returncode == DEPLOY_FAILED, refused.stderr
    assert " pushes a database since " in refused.stderr
    os.killpg(push.pid, signal.SIGKILL)
    push.wait()
    assert rows() == before
    again = result_of("push-db", "--yes")
    assert again["rows"] > 1_500_000
    assert "myapp__incoming" not in target_database(names)
    local_database("drop table bulk;")
    invoke("push-db", "--yes")
    said = Shell().run(local.script(ROOT, COUNT)).stdout
    assert len(rows()) == int(said.split()[-1])


def test_a_provision_without_changes_is_quick(story: dict[str, Any]) -> None:
    assert story["url"]
    again = [result_of("provision", "--yes") for _ in range(2)]
    print(f"\nprovision without changes: {[(one['seconds'], one['parts']) for one in again]}")
    assert [one["changes"] for one in again] == [[], []]
    assert min(one["seconds"] for one in again) < 10
    assert min(one["parts"]["storage"] for one in again) < 1


def test_the_demo_again_is_quick(story: dict[str, Any]) -> None:
    # As in a clone where an earlier one has left its database.
    Shell().run(local.script(ROOT, LOST_FILE))
    begin = time.monotonic()
    again = result_of("sandbox.demo")
    took = time.monotonic() - begin
    print(f"\nsecond demo: {took:.0f} s {json.dumps(again['first'])}")
    assert again["first"]["push-media"]["uploaded"] == 0
    assert again["first"]["provision"]["changes"] == []
    assert again["first"]["deploy"]["release"] == story["first"]["deploy"]["release"]
    # But for the lost one, and what the demo uploads in the end.
    assert again["checked"]["files"] == len(rows()) - 2
    assert took < 90


def test_any_value_of_a_variable_arrives_in_the_container(story: dict[str, Any]) -> None:
    assert story["url"]
    # Another one each time: the env file may be that of an earlier run.
    value = f'{time.time()} it\'s "q" $HOME ${{X}} #1 \\n é 漢\nsecond line\t=end '
    subprocess.run(
        [INVOKE, "env-vars", "--set", "ODD"], cwd=ROOT, input=value, text=True, check=True
    )
    assert result_of("deploy")["changed"] is True
    code = "import os, sys; sys.stdout.buffer.write(os.environ['ODD'].encode())"
    seen = subprocess.run(
        [INVOKE, "shell"], cwd=ROOT, capture_output=True, check=True,
        input=f'python manage.py shell -v 0 -c "{code}"\n'.encode(),
    ).stdout  # fmt: skip
    assert seen.decode() == value


def test_a_deploy_of_the_same_code_migrates_a_database_that_lacks_something(
    story: dict[str, Any],
) -> None:
    assert story["url"]
    invoke("manage", "migrate sessions zero")
    again = result_of("deploy")
    assert (again["changed"], again["migrations"]) == (True, ["sessions.0001_initial"])
    assert result_of("deploy")["changed"] is False


def test_destroy_leaves_nothing_of_the_environment(story: dict[str, Any]) -> None:
    assert story["url"]
    done = invoke("destroy", "-e", "test", "--yes", check=False)
    assert "add --with-objects" in done.stderr
    # Whoever comes next shall not begin in it, nor have its pass.
    invoke("maintenance", "--on")
    invoke("destroy", "-e", "test", "--yes", "--with-objects")
    assert not (ROOT / "env" / "test.env").exists()
    host = ("exec", "slipway-host1", "docker")
    names = docker(*host, "service", "ls", "--format", "{{.Name}}").split()
    for kind in ("volume", "network", "secret", "config"):
        names += docker(*host, kind, "ls", "--format", "{{.Name}}").split()
    assert [name for name in names if name.startswith("myapp-test")] == []
    left = docker("exec", "slipway-host1", "find", "/srv/slipway", "/etc/slipway")
    assert "myapp-test" not in left
    assert result_of("destroy", "-e", "test", "--plan")["changes"] == []


def test_sandbox_down_removes_every_trace(story: dict[str, Any]) -> None:
    assert story["url"]
    invoke("local.down")
    invoke("sandbox.down", "--yes")
    assert not (ROOT / ".sandbox").exists()
    left = docker("ps", "-a", "--format", "{{.Names}}") + docker("volume", "ls", "-q")
    left += docker("network", "ls", "--format", "{{.Name}}")
    assert not re.search(r"slipway-(host|s3|sandbox)", left)
    invoke("sandbox.down", "--yes")
