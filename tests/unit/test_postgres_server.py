"""How programs are run beside a server that is elsewhere, and what opens it."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.command import Shell
from slipway.dsn import DatabaseDsn
from slipway.postgres import server
from slipway.postgres.server import Server
from slipway.secrets import Secret

ADDRESS = DatabaseDsn("site", Secret("a:b\\c"), "db.example.com", "site")
ELSEWHERE = Server("db.example.com", "", "site", password=ADDRESS.password, address=ADDRESS)


def test_rows_are_in_no_log_of_the_engine() -> None:
    assert "--log-driver=none" in ELSEWHERE.command(["pg_dump"]).argv
    beside = replace(ELSEWHERE, address=None, container="db").command(["pg_dump"]).argv
    assert beside[:2] == ("docker", "exec")


def test_the_password_is_kept_for_its_owner_while_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MEMORY", str(tmp_path))
    with server.reached(Shell(), ELSEWHERE) as reached:
        file = Path(reached.secrets_file)
        assert file.parent == tmp_path
        assert file.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert file.stat().st_mode & 0o777 == 0o600
        assert "a:b" not in str(reached.command(["psql"]).argv)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_here_goes_on_a_later_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MEMORY", str(tmp_path))
    old, new, other = (tmp_path / f"slipway-{n}" for n in ("a.pgpass", "b.pgpass", "c.txt"))
    for path in (old, new, other):
        path.write_text("x")
    long_ago = time.time() - 2 * server.DAY
    for path in (old, other):
        os.utime(path, (long_ago, long_ago))
    with server.reached(Shell(), ELSEWHERE):
        assert not old.exists()
    assert sorted(tmp_path.iterdir()) == [new, other]
