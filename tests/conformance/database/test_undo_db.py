"""Go back to the database that served before, as often as wanted, and nothing is lost."""

import pytest

from slipway.command import Shell
from slipway.console import Console
from slipway.database import push_db, undo_db
from slipway.errors import DatabaseError
from slipway.postgres import cutover, switch
from slipway.postgres.renaming import Switch
from slipway.postgres.session import Session
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair
from tests.unit.factory import environment

BOTH = {SITE, "site__previous"}


def push(pair: Pair) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), ends=pair.ends)


def undo(pair: Pair, **options: bool) -> dict[str, object]:
    return undo_db(environment(), Console(as_json=True), ends=pair.ends, **options)


def previous(pair: Pair) -> list[list[str]]:
    return pair.target.query("SELECT text FROM marker;", "site__previous")


def test_it_switches_back_and_forth(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    for serves, kept in [("old", "new"), ("new", "old"), ("old", "new")]:
        fields = undo(pair)
        assert float(str(fields["downtime_ms"])) < 500
        assert (pair.marker(), previous(pair)) == (serves, [[kept]])
        assert pair.databases() == BOTH


def test_a_prepared_transaction_is_named_and_no_client_is_ended_for_it(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    pair.live("BEGIN; CREATE TABLE prepared (a int); PREPARE TRANSACTION 'stuck';")
    try:
        with Session(Shell(), pair.ends.target, SITE) as working:
            with pytest.raises(DatabaseError, match=r"site has prepared transactions \(1\)"):
                undo(pair)
            working.query("SELECT 1;")
        assert (pair.marker(), pair.databases()) == ("new", BOTH)
    finally:
        pair.live("ROLLBACK PREPARED 'stuck';")


def test_a_database_that_was_dropped_half_never_serves(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    # What a DROP leaves that is interrupted.
    half = "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'site__previous';"
    pair.target.query(half)
    with pytest.raises(DatabaseError, match="no site__previous is kept"):
        undo(pair)
    assert "site__previous was dropped half, and is of no use" in capsys.readouterr().err
    assert (pair.marker(), pair.databases()) == ("new", {SITE})


def test_a_database_that_takes_no_connections_never_serves(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    pair.target.query("ALTER DATABASE site__previous ALLOW_CONNECTIONS false;")
    with pytest.raises(DatabaseError, match="site__previous takes no connections"):
        undo(pair)
    assert pair.marker() == "new"
    assert undo(pair, drop_previous=True)["dropped"] == "site__previous"


def test_a_database_of_other_migrations_is_told_of(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    made = "CREATE TABLE django_migrations (app text, name text);"
    pair.fresh(
        f"{content.SMALL} {made} INSERT INTO django_migrations VALUES ('a', '1'), ('a', '2');"
    )
    pair.live(f"{made} INSERT INTO django_migrations VALUES ('a', '1');")
    push(pair)
    undo(pair)
    lacks = "serves from now on lacks the migration a.2; 'invoke deploy' migrates it"
    assert lacks in capsys.readouterr().err
    undo(pair)
    assert "serves from now on has the migration a.2, which" in capsys.readouterr().err


def test_without_a_previous_one_there_is_nothing_to_go_back_to(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    with pytest.raises(DatabaseError, match="host1: no site__previous is kept"):
        undo(pair)
    push(pair)
    assert undo(pair, drop_previous=True)["dropped"] == "site__previous"
    assert (pair.marker(), pair.databases()) == ("new", {SITE})
    with pytest.raises(DatabaseError, match="nothing to go back to"):
        undo(pair, drop_previous=True)


def test_the_previous_one_is_there_until_the_new_one_serves(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.fresh(content.SMALL)
    push(pair)
    pair.source.query("UPDATE marker SET text = 'newer';", "local")

    def refused(_admin: Session, _second: Session, _step: Switch) -> float:
        raise DatabaseError("site", "its clients could not be ended")

    monkeypatch.setattr(cutover, "switch", refused)
    with pytest.raises(DatabaseError, match="could not be ended"):
        push(pair)
    assert (pair.marker(), previous(pair), pair.databases()) == ("new", [["old"]], BOTH)
    monkeypatch.undo()
    assert undo(pair)["previous"] == "site__previous"
    assert pair.marker() == "old"


def test_what_a_kill_between_switch_and_drop_leaves_is_removed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.fresh(content.SMALL)
    push(pair)

    def killed(admin: Session, second: Session, step: Switch) -> float:
        switch.switch(admin, second, step)
        raise KeyboardInterrupt

    monkeypatch.setattr(cutover, "switch", killed)
    pair.source.query("UPDATE marker SET text = 'newer';", "local")
    with pytest.raises(KeyboardInterrupt):
        push(pair)
    assert (pair.marker(), previous(pair)) == ("newer", [["new"]])
    assert pair.databases() == {*BOTH, "site__outdated"}
    monkeypatch.undo()
    undo(pair)
    assert (pair.marker(), pair.databases()) == ("new", BOTH)
