"""Interrupt a push wherever it hurts: the live database stays whole, the next push succeeds."""

import signal
import threading
import time

import pytest

from slipway.console import Console
from slipway.database import push_db
from slipway.errors import DatabaseError
from slipway.postgres import cutover, programs, statements, stream
from slipway.postgres.session import Session
from tests.conformance.database import content
from tests.conformance.database.child import pushing
from tests.conformance.database.servers import SITE, Pair, shell, until
from tests.unit.factory import environment

ANOTHER = "another push to this database runs"


def push(pair: Pair) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), ends=pair.ends)


def test_killed_in_the_middle_of_the_restore(pair: Pair) -> None:
    pair.fresh(content.BULK + content.GATED)
    with pair.held(), pushing(pair) as process:
        until(pair.fills)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert pair.marker() == "old"
    assert pair.ends.names.incoming in pair.databases()
    assert push(pair)["rows"] == 200_002
    assert (pair.marker(), pair.databases()) == ("new", {SITE, "site__previous"})


def test_killed_at_any_moment_the_live_database_is_whole(pair: Pair) -> None:
    pair.fresh(content.SITE)
    begin = time.monotonic()
    with pushing(pair) as process:
        assert process.wait() == 0
    took = time.monotonic() - begin
    found = set()
    for share in (0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 0.95, 1.0):
        pair.fresh(content.SITE)
        with pushing(pair) as process:
            time.sleep(share * took)
            process.kill()
        tables = pair.live("SELECT count(*) FROM pg_class WHERE relname = 'uploader_file';")
        assert (pair.marker(), tables) in [("old", [["0"]]), ("new", [["1"]])]
        found.add(frozenset(pair.databases()))
        assert push(pair)["rows"] == content.SITE_ROWS
        assert (pair.marker(), pair.databases()) == ("new", {SITE, "site__previous"})
    assert len(found) > 1


def test_ctrl_c_removes_the_database_that_was_arriving(pair: Pair) -> None:
    pair.fresh(content.BULK + content.GATED)
    with pair.held(), pushing(pair) as process:
        until(pair.fills)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_server_that_ends_the_dump_is_told_of(pair: Pair) -> None:
    pair.fresh(content.GATED_BULK)

    def end_dump() -> None:
        with pair.held():
            held.set()
            until(pair.fills)
            pair.source.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'COPY %a_gate%' AND state = 'active';"
            )

    held = threading.Event()

    thread = threading.Thread(target=end_dump)
    thread.start()
    assert held.wait(60)
    with pytest.raises(
        DatabaseError, match=r"the local database: .*(terminat|closed the connection|was lost)"
    ):
        push(pair)
    thread.join()
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_server_that_ends_the_restore_is_told_of(pair: Pair) -> None:
    pair.fresh(content.GATED_BULK)

    def end_restore() -> None:
        with pair.held():
            held.set()
            until(pair.fills)
            pair.target.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{pair.ends.names.incoming}';"
            )

    held = threading.Event()

    thread = threading.Thread(target=end_restore)
    thread.start()
    assert held.wait(60)
    with pytest.raises(DatabaseError, match=r"host1: .*(terminat|closed the connection)"):
        push(pair)
    thread.join()
    assert (pair.marker(), pair.databases()) == ("old", {SITE})


def test_a_stream_cut_off_anywhere_is_never_taken_for_whole(pair: Pair) -> None:
    pair.fresh(content.SITE)
    # Through a pipe, as in a push: into a file pg_dump writes its table of contents once more.
    pair.source.run(
        ["sh", "-c", "pg_dump -U me -Fc --no-acl --compress=zstd:1 local | cat >/tmp/dump"]
    )
    whole = int(pair.source.run(["stat", "--format=%s", "/tmp/dump"]).stdout)
    words = programs.restore("postgres", pair.ends.names.incoming, SITE)
    for length in [*(whole * n // 12 for n in range(12)), whole - 100, whole - 1]:
        pair.target.query(f"CREATE DATABASE {pair.ends.names.incoming} OWNER {SITE};")
        with (
            stream.writer(shell, pair.ends.source, ["head", f"-c{length}", "/tmp/dump"]) as dump,
            stream.reader(shell, pair.ends.target, words) as restore,
            pytest.raises(DatabaseError, match="host1: "),
        ):
            stream.carry(dump, restore, b"", lambda _: None)
        pair.target.query(f"DROP DATABASE {pair.ends.names.incoming};")


def test_a_writer_that_fails_after_its_last_byte_fails_the_whole(pair: Pair) -> None:
    pair.fresh(content.SITE)
    script = [
        "sh",
        "-c",
        "pg_dump -U me -Fc --no-acl local; echo 'pg_dump: error: late' >&2; exit 1",
    ]
    pair.target.query(f"CREATE DATABASE {pair.ends.names.incoming} OWNER {SITE};")
    words = programs.restore("postgres", pair.ends.names.incoming, SITE)
    with (
        stream.writer(shell, pair.ends.source, script) as dump,
        stream.reader(shell, pair.ends.target, words) as restore,
        pytest.raises(DatabaseError, match="the local database: late"),
    ):
        stream.carry(dump, restore, b"", lambda _: None)


def test_a_switch_left_half_done_is_put_right_first(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    pair.target.query(f"ALTER DATABASE {SITE} RENAME TO site__previous;")
    push(pair)
    assert pair.marker() == "new"
    assert pair.target.query("SELECT text FROM marker;", "site__previous") == [["old"]]


def test_two_pushes_at_once_do_not_meet(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "LEASE_SECONDS", 0.5)
    pair.fresh(content.SMALL)
    with Session(shell, pair.ends.target) as other:
        assert other.query(statements.lease(pair.ends.names))[0][0] == "t"
        with pytest.raises(DatabaseError, match=f"host1: {ANOTHER}"):
            push(pair)
    assert push(pair)["rows"] == 1


def test_a_lock_that_is_held_for_ever_is_not_waited_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.fresh(content.SITE)
    monkeypatch.setattr(programs, "LOCK_WAIT", "2s")
    with Session(shell, pair.ends.source, pair.ends.database) as somebody:
        somebody.query("BEGIN; LOCK TABLE uploader_file IN ACCESS EXCLUSIVE MODE;")
        begin = time.monotonic()
        with pytest.raises(DatabaseError, match=r"the local database: .*lock"):
            push(pair)
        assert time.monotonic() - begin < 30
    assert (pair.marker(), pair.databases()) == ("old", {SITE})
    assert push(pair)["rows"] == content.SITE_ROWS
