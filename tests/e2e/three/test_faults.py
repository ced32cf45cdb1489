"""Break hosts, network and deployer in the middle of a deploy: the site stays up."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.machine import docker
from tests.e2e.three.cloud import (
    ADDRESSES,
    CLOCK,
    FAILED,
    HOST_FAILED,
    LONG,
    Cloud,
    calm,
    on,
    on_again,
)
from tests.e2e.three.traffic import QUICK, traffic


def test_a_disk_that_is_full_on_one_host_changes_none(cloud: Cloud) -> None:
    before = cloud.shown()
    cloud.change()
    ballast = cloud.root / "app" / "ballast.bin"
    ballast.write_bytes(os.urandom(20_000_000))
    on(2, "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "/var/lib/docker/tmp")
    try:
        done = cloud.deploy()
    finally:
        on(2, "umount", "/var/lib/docker/tmp")
        ballast.unlink()
    assert done.returncode == HOST_FAILED
    assert "no space left on device" in done.stderr
    assert {cloud.shown(address) for address in ADDRESSES} == {before}
    assert cloud.good()["changed"] is True


def test_a_connection_cut_while_shipping_changes_nothing(cloud: Cloud) -> None:
    before = cloud.shown()
    cloud.change()
    ballast = cloud.root / "app" / "ballast.bin"
    ballast.write_bytes(os.urandom(60_000_000))
    process = cloud.start("deploy", "-e", "three")
    cloud.until(process, "✓ Build")
    deadline = time.monotonic() + 60
    while "slipway-registry-" not in docker("ps", "--format", "{{.Names}}"):
        assert time.monotonic() < deadline
    time.sleep(2)
    on(3, "pkill", "--full", "^sshd-session: root")
    out, err = process.communicate(timeout=LONG)
    ballast.unlink()
    assert process.returncode == HOST_FAILED, out + err
    assert {cloud.shown(address) for address in ADDRESSES} == {before}
    assert cloud.good()["changed"] is True


def test_an_engine_that_restarts_meanwhile_leaves_the_site_up(cloud: Cloud) -> None:
    cloud.change()
    process = cloud.start("deploy", "-e", "three")
    cloud.until(process, "✓ Try the release")
    with traffic(ADDRESSES[0]) as load:
        on(2, "systemctl", "restart", "docker")
        out, err = process.communicate(timeout=LONG)
    print(out, err)
    # What the tasks of that host had under way, or connections kept to them, cannot be saved: of
    # each visitor at most the one request that waited for it.
    lost = [one for one in load.failures if one.startswith("/version")]
    assert len(lost) <= QUICK, lost
    assert load.sent > 100 * QUICK
    assert process.returncode in (0, HOST_FAILED, FAILED)
    assert cloud.good()
    assert len({cloud.shown(address) for address in ADDRESSES}) == 1


def test_a_host_powered_off_meanwhile_puts_all_hosts_back(cloud: Cloud) -> None:
    before = cloud.shown()
    version = cloud.change()
    process = cloud.start("deploy", "-e", "three")
    cloud.until(process, "✓ Try the release")
    docker("kill", "slipway-host3")
    out, err = process.communicate(timeout=LONG)
    print(out, err)
    assert process.returncode in (HOST_FAILED, FAILED)
    assert {cloud.shown(address) for address in ADDRESSES[:2]} == {before}
    assert cloud.deploy().returncode == HOST_FAILED
    docker("start", "slipway-host3")
    on_again(3)
    assert cloud.good()["changed"] is True
    assert {cloud.shown(address) for address in ADDRESSES} == {version}


def test_a_clock_that_is_off_by_an_hour_changes_nothing(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    before, version = cloud.shown(), cloud.change()
    done = cloud.deploy("--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert cloud.shown() == version
    assert cloud.invoke("rollback", "-e", "three", PYTHONPATH=str(tmp_path)).returncode == 0
    assert cloud.shown() == before
    assert cloud.good()["changed"] is True


def test_ctrl_c_puts_back_and_gives_the_lease_up(cloud: Cloud) -> None:
    before = cloud.shown()
    cloud.change()
    process = cloud.start("deploy", "-e", "three")
    cloud.until(process, "✓ Try the release")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 130, out + err
    assert {cloud.shown(address) for address in ADDRESSES} == {before}
    assert "-lease" not in on(1, "docker", "config", "ls", "--format", "{{.Name}}")


def test_a_deployer_that_was_silent_for_too_long_is_refused_when_it_is_back(cloud: Cloud) -> None:
    old = cloud.start("deploy", "-e", "three")
    cloud.until(old, "✓ Ship")
    old.send_signal(signal.SIGSTOP)
    try:
        time.sleep(32)
        version = cloud.change()
        assert cloud.good()["changed"] is True
    finally:
        old.send_signal(signal.SIGCONT)
    out, err = old.communicate(timeout=LONG)
    assert old.returncode in (FAILED, HOST_FAILED), out + err
    assert "took over" in err
    assert {cloud.shown(address) for address in ADDRESSES} == {version}


def test_a_deployer_killed_at_any_moment_leaves_the_site_up(cloud: Cloud) -> None:
    moments = random.Random(os.environ.get("SEED"))
    with traffic(*ADDRESSES) as load:
        for _ in range(10):
            cloud.change()
            process = cloud.start("deploy", "-e", "three")
            wait = moments.uniform(0.5, 15)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            assert cloud.shown()
        version = cloud.change()
        assert cloud.good()["changed"] is True
    calm(load)
    assert {cloud.shown(address) for address in ADDRESSES} == {version}
