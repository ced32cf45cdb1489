"""Switch while clients ask: what they notice, and who may hold it up."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from slipway.console import Console
from slipway.database import push_db
from slipway.errors import DatabaseError
from slipway.postgres import switch
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
    pair.live("BEGIN; CREATE TABLE prepared (a int); PREPARE TRANSACTION 'stuck';")
    try:
        with pytest.raises(DatabaseError, match="site: its clients could not be ended"):
            push(pair)
        assert (pair.marker(), pair.databases()) == ("old", {SITE})
    finally:
        pair.live("ROLLBACK PREPARED 'stuck';")
