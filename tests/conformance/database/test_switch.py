"""Switch while clients ask: what they notice, and who may hold it up."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest

from slipway import interrupt
from slipway.console import Console
from slipway.database import push_db, undo_db
from slipway.errors import DatabaseError
from slipway.postgres import cutover, statements, switch
from slipway.postgres.renaming import Switch
from slipway.postgres.session import Session
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, docker, shell, until
from tests.unit.factory import environment

# A client that connects for each question, as Django does by default, and never stops asking.
ASKING = """
touch /tmp/asking
while [ -e /tmp/asking ]; do
    psql -U site -d site -Atc 'SELECT text FROM marker' 2>&1 | tr '\\n' ' ' >>/tmp/answers
    date +%s.%N >>/tmp/answers
done
"""


def push(pair: Pair) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), ends=pair.ends)


@contextmanager
def asking(pair: Pair) -> Iterator[list[tuple[str, float]]]:
    """Ask all the time; the list is filled with answers and their moments at the end."""
    container, answers = pair.ends.target.container, list[tuple[str, float]]()
    docker("exec", container, "rm", "-f", "/tmp/answers")
    docker("exec", "--detach", container, "sh", "-c", ASKING)
    time.sleep(0.5)
    try:
        yield answers
        time.sleep(0.5)
    finally:
        docker("exec", container, "rm", "/tmp/asking")
        lines = docker("exec", container, "cat", "/tmp/answers").splitlines()
        words = [line.rpartition(" ") for line in lines]
        answers.extend((text.strip(), float(moment)) for text, _, moment in words)


@contextmanager
def holding(pair: Pair, sql: str) -> Iterator[threading.Thread]:
    """Run a statement in the live database that does not end by itself."""

    def hold() -> None:
        with pytest.raises(DatabaseError, match="terminating connection"):
            pair.live(sql)

    thread = threading.Thread(target=hold)
    thread.start()
    busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%sleep%';"
    until(lambda: pair.target.query(busy) == [["2"]])
    yield thread
    thread.join()


def test_a_client_that_never_stops_asking_hardly_notices(pair: Pair) -> None:
    pair.fresh(content.SITE)
    with asking(pair) as answers:
        fields = push(pair)
    failed = [text for text, _ in answers if text not in {"old", "new"}]
    moments = [moment for text, moment in answers if text in {"old", "new"}]
    gap = max(later - earlier for earlier, later in pairwise(moments))
    print(
        f"{len(answers)} answers, {len(failed)} failed, longest gap {gap * 1000:.0f} ms, {fields}"
    )
    texts = [text for text, _ in answers if text not in failed]
    assert (texts[0], texts[-1]) == ("old", "new")
    assert texts == sorted(texts, reverse=True)
    assert len(failed) <= 1
    assert float(str(fields["downtime_ms"])) < 500


def test_a_resting_connection_does_not_hold_it_up(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    with Session(shell, pair.ends.target, SITE) as resting:
        resting.query("SELECT 1;")
        fields = push(pair)
        with pytest.raises(DatabaseError, match="terminating connection"):
            resting.query("SELECT 1;")
    assert pair.marker() == "new"
    assert float(str(fields["downtime_ms"])) < 500


def test_a_query_that_does_not_end_and_its_lock_are_ended_at_last(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    sql = "BEGIN; LOCK TABLE marker; SELECT pg_sleep(300);"
    with holding(pair, sql) as thread:
        fields = push(pair)
        thread.join(10)
        assert not thread.is_alive()
    assert pair.marker() == "new"
    assert float(str(fields["downtime_ms"])) < 2000


def test_what_cannot_be_ended_leaves_the_old_database_serving(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "FORCED_SECONDS", 1.0)
    monkeypatch.setattr(switch, "POLITE_SECONDS", 0.2)
    pair.fresh(content.SMALL)
    prepare = "BEGIN; CREATE TABLE prepared (a int); PREPARE TRANSACTION 'stuck';"

    def late(admin: Session, second: Session, step: Switch) -> float:
        pair.live(prepare)
        return switch.switch(admin, second, step)

    monkeypatch.setattr(cutover, "switch", late)
    try:
        with pytest.raises(DatabaseError, match="site: its clients could not be ended"):
            push(pair)
        with pytest.raises(DatabaseError, match=r"site has prepared transactions \(1\)"):
            push(pair)
        assert (pair.marker(), pair.databases()) == ("old", {SITE})
    finally:
        pair.live("ROLLBACK PREPARED 'stuck';")


@pytest.mark.parametrize(
    "change", ["GRANT CONNECT ON DATABASE {0} TO me", "COMMENT ON DATABASE {0} IS 'x'"]
)
def test_a_lock_on_the_database_itself_takes_no_site_down(pair: Pair, change: str) -> None:
    pair.fresh(content.SMALL)
    pair.target.query("DROP ROLE IF EXISTS me; CREATE ROLE me;")
    with Session(shell, pair.ends.target) as other, asking(pair) as answers:
        other.query(f"BEGIN; {change.format(SITE)};")
        with pytest.raises(DatabaseError, match="open transaction has changed the database itself"):
            push(pair)
    # A client that does not ask again may be ended before the lock is met.
    assert [text for text, _ in answers].count("old") > 0.9 * len(answers)
    moments = [moment for _, moment in answers]
    assert max(later - before for before, later in pairwise(moments)) < 1.5
    assert (pair.marker(), pair.databases()) == ("old", {SITE})
    pair.target.query("DROP ROLE me;")


def test_whoever_looks_at_the_kept_database_does_not_hold_it_up(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    with Session(shell, pair.ends.target, f"{SITE}__previous") as looking:
        looking.query("SET application_name = 'monitoring';")
        with Session(shell, pair.ends.target, f"{SITE}__previous") as working:
            working.post("SELECT pg_sleep(300);")
            fields = push(pair)
    assert pair.databases() == {SITE, f"{SITE}__previous"}
    assert float(str(fields["downtime_ms"])) < 2000


@pytest.mark.parametrize("made", [True, False])
def test_after_a_lost_connection_it_is_known_which_database_serves(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: bool
) -> None:
    def lost(admin: Session, second: Session, step: Switch) -> float:
        if made:
            real(admin, second, step)
        admin.query("SELECT pg_terminate_backend(pg_backend_pid());")
        raise AssertionError

    real = switch.switch
    pair.fresh(content.SMALL)
    push(pair)
    monkeypatch.setattr(cutover, "switch", lost)
    pair.source.query("UPDATE marker SET text = 'newer';", "local")
    if made:
        push(pair)
        assert "the switch was made, and then: host1: terminating" in capsys.readouterr().err
    else:
        with pytest.raises(DatabaseError, match="terminating connection"):
            push(pair)
    assert pair.marker() == ("newer" if made else "new")
    monkeypatch.setattr(cutover, "switch", real)
    assert undo_db(environment(), Console(as_json=True), ends=pair.ends)
    assert pair.marker() == ("new" if made else "old")


def test_a_switch_that_is_still_made_is_waited_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(admin: Session, _second: Session, step: Switch) -> float:
        steps = [f"ALTER DATABASE {old} RENAME TO {new}" for old, new in step.steps]
        admin.post("\\;\n".join(["BEGIN", "SELECT pg_sleep(2)", *steps, "COMMIT"]) + ";")
        raise DatabaseError("host1", "the connection was lost")

    pair.fresh(content.SMALL)
    monkeypatch.setattr(cutover, "switch", lost)
    push(pair)
    assert "the switch was made, and then: host1: the connection" in capsys.readouterr().err
    assert pair.marker() == "new"


def test_where_nobody_can_tell_which_database_serves_it_says_so(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise DatabaseError("host1", "is gone")

    def lost(*_: object) -> float:
        monkeypatch.setattr(cutover, "Client", lambda *_: SimpleNamespace(query=gone))
        raise DatabaseError("host1", "the connection was lost")

    pair.fresh(content.SMALL)
    monkeypatch.setattr(cutover, "TELLING_SECONDS", 0.1)
    monkeypatch.setattr(cutover, "switch", lost)
    with pytest.raises(DatabaseError, match="host1: whether the switch was made is not known"):
        push(pair)


def test_an_interrupt_during_the_switch_waits_for_it_and_for_no_clearing_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(admin: Session, second: Session, step: Switch) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return real(admin, second, step)

    def dropping(database: str) -> str:
        if database.endswith("__outdated"):
            raise KeyboardInterrupt
        return drop(database)

    real, drop = switch.switch, statements.drop
    pair.fresh(content.SMALL)
    push(pair)
    monkeypatch.setattr(cutover, "switch", interrupted)
    monkeypatch.setattr(statements, "drop", dropping)
    push(pair)
    said = capsys.readouterr().err
    assert "the switch is under way" in said
    assert "the next run removes site__outdated" in said
    assert interrupt.advice().startswith("the switch was made before")
    monkeypatch.undo()
    push(pair)
    assert pair.databases() == {SITE, f"{SITE}__previous"}
