"""Deploy, fail to deploy, and roll back under load: no request is lost."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.e2e.three.cloud import (
    ADD_NOTE,
    ADDRESSES,
    BROKEN,
    DROP_NOTE,
    FAILED,
    LONG,
    NEEDS,
    SICK,
    Cloud,
    calm,
    sql,
)
from tests.e2e.three.traffic import traffic


def test_one_changed_line_ships_little_and_loses_no_request(cloud: Cloud) -> None:
    version = cloud.change()
    with traffic(*ADDRESSES) as load:
        fields = cloud.good("--probe")
    calm(load)
    assert (fields["failed_requests"], fields["requests"] > 50) == (0, True)
    assert fields["bytes_shipped"] / len(ADDRESSES) < 200_000
    assert {cloud.shown(address) for address in ADDRESSES} == {version}
    print(f"\none changed line: {fields['seconds']} s, {fields['bytes_shipped']} bytes")


def test_a_second_deploy_meanwhile_is_told_who_deploys(cloud: Cloud) -> None:
    cloud.change()
    first = cloud.start("deploy", "-e", "three")
    cloud.until(first, "✓ Ship")
    second = cloud.deploy()
    assert second.returncode == FAILED
    assert " deploys since " in second.stderr
    out, err = first.communicate(timeout=LONG)
    assert first.returncode == 0, out + err


def test_a_health_check_that_is_never_green_replaces_nothing(
    cloud: Cloud, edited: Callable[[str, str], None]
) -> None:
    before = cloud.shown()
    edited("app/cloud/health.py", SICK)
    with traffic(*ADDRESSES) as load:
        done = cloud.deploy()
    calm(load)
    assert done.returncode == FAILED
    assert "the new release: " in done.stderr
    assert load.versions == {before}


def test_a_migration_that_fails_replaces_nothing(cloud: Cloud) -> None:
    before = cloud.shown()
    path = cloud.migration(2, BROKEN)
    with traffic(*ADDRESSES) as load:
        done = cloud.deploy()
    path.unlink()
    calm(load)
    assert done.returncode == FAILED
    assert "division by zero" in done.stderr
    assert load.versions == {before}


def read_on_and_on() -> None:
    # It ends by being ended.
    with suppress(subprocess.CalledProcessError):
        sql("begin; select count(*) from uploader_uploadedfile; select pg_sleep(900);")


def hold_a_lock(stop: threading.Event) -> None:
    """Read a table in a transaction that ends once somebody has waited for it in vain."""
    holder = threading.Thread(target=read_on_and_on, daemon=True)
    holder.start()
    while "1" not in sql("select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
        if stop.wait(0.3):
            return
    time.sleep(3)
    sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(900)%'"
        " and pid <> pg_backend_pid()")  # fmt: skip


def test_a_migration_lets_go_of_its_lock_until_it_is_free(cloud: Cloud) -> None:
    cloud.change()
    cloud.migration(2, ADD_NOTE)
    stop = threading.Event()
    holder = threading.Thread(target=hold_a_lock, args=(stop,))
    holder.start()
    with traffic(*ADDRESSES) as load:
        done = cloud.deploy()
    stop.set()
    holder.join()
    calm(load)
    assert done.returncode == 0, done.stderr
    assert "a lock was not free within 2 s; trying again" in done.stdout
    assert "uploader.0002_test" in done.stdout


def test_the_plan_names_what_the_running_code_cannot_live_with(cloud: Cloud) -> None:
    path = cloud.migration(3, DROP_NOTE)
    done = cloud.deploy("--plan")
    path.unlink()
    assert done.returncode == 2
    assert "the running code cannot live with uploader.0003_test: DROPPING columns" in done.stderr
    assert "Remove field note from uploadedfile" in done.stderr


def test_a_roll_back_compares_migrations_and_loses_no_request(cloud: Cloud) -> None:
    now = cloud.shown()
    refused = cloud.invoke("rollback", "-e", "three")
    assert refused.returncode == FAILED
    assert "does not know the migrations uploader.0002_test" in refused.stderr
    planned = cloud.invoke("rollback", "-e", "three", "--force", "--plan")
    assert planned.returncode == 2
    assert "replaces what runs" in planned.stdout
    assert cloud.shown() == now
    with traffic(*ADDRESSES) as load:
        done = cloud.invoke("rollback", "-e", "three", "--force")
    assert done.returncode == 0
    assert "does not know the migration uploader.0002_test" in done.stderr
    calm(load)
    assert cloud.shown() == f"v{int(now[1:]) - 1}"
    listed = json.loads(cloud.invoke("releases", "-e", "three", "--json").stdout)
    newest = listed["releases"][0]
    assert (newest["action"], newest["outcome"]) == ("rollback", "serves")
    assert listed["serving"] == newest["release"]
    assert any("division by zero" in one["outcome"] for one in listed["releases"])
    assert cloud.good()["changed"] is True
    assert cloud.shown() == now


def test_a_value_that_the_settings_need_is_missed_before_anything_is_replaced(
    cloud: Cloud, edited: Callable[[str, str], None]
) -> None:
    before = cloud.shown()
    edited("app/cloud/settings.py", NEEDS)
    done = cloud.deploy()
    assert done.returncode == FAILED
    assert "PAYMENT_KEY is missing" in done.stderr
    edited("env/three.env", "PAYMENT_KEY=only-for-tests\n")
    assert cloud.good()["changed"] is True
    assert cloud.shown() == before
