import json
from dataclasses import replace

import pytest

from slipway.errors import DatabaseError
from slipway.postgres import facts
from slipway.postgres.facts import Facts, Source, Target
from slipway.postgres.names import Names
from slipway.postgres.programs import Machine

NAMES = Names("myapp")
ROOMY = 10**12
SOURCE = Source(170002, "UTF8", 10_000_000, {"hstore": "public"})
TARGET = Target(
    version=170005,
    role=True,
    live={"name": "UTF8"},
    extensions={"hstore": True, "postgis": False},
    lz4=True,
    folder="/data",
)

MACHINE = Machine(cores=2, zstd=True, free=ROOMY)


def check(free: int = ROOMY, target: Target = TARGET, **changed: object) -> None:
    source = replace(SOURCE, **changed)  # type: ignore[arg-type]
    there = replace(MACHINE, free=free)
    facts.check("host1", Facts(source, target, MACHINE, there), NAMES, "run 'invoke provision'")


def test_two_like_servers_are_fine() -> None:
    check()
    check(version=160001)


def test_a_prepared_transaction_which_no_switch_could_end_is_refused() -> None:
    with pytest.raises(DatabaseError, match=r"host1: myapp has prepared transactions \(2\), and"):
        check(target=replace(TARGET, prepared=2))


def test_what_would_stay_with_the_old_database_is_refused() -> None:
    held = ("subscription feed", "slot cdc")
    with pytest.raises(DatabaseError, match="cannot be replaced under its subscription feed, slot"):
        check(target=replace(TARGET, replicated=held))


def test_no_tables_take_the_place_of_some() -> None:
    facts.check_tables("local", 0, NAMES, 0)
    facts.check_tables("local", 1, NAMES, 5)
    with pytest.raises(DatabaseError, match="local: there is no table, and myapp has 5; is this"):
        facts.check_tables("local", 0, NAMES, 5)


def test_event_triggers_which_the_sites_role_may_not_create_are_refused() -> None:
    with pytest.raises(DatabaseError, match=r"the source has event triggers, .*; drop them there"):
        check(event_triggers=True)


def test_a_newer_source_is_refused() -> None:
    with pytest.raises(DatabaseError, match="host1: runs PostgreSQL 17, the source 18; "):
        check(version=180000)


def test_a_server_that_lacks_what_the_push_needs_is_refused() -> None:
    with pytest.raises(DatabaseError, match="PostgreSQL 13 is too old"):
        check(version=130011)


def test_a_target_that_was_not_provisioned_is_refused() -> None:
    with pytest.raises(DatabaseError, match="run 'invoke provision'"):
        check(target=replace(TARGET, live=None))
    with pytest.raises(DatabaseError, match="run 'invoke provision'"):
        check(target=replace(TARGET, role=False))


@pytest.mark.parametrize(
    ("here", "there", "fine"),
    [("UTF8", "UTF8", True), ("LATIN1", "UTF8", True), ("SQL_ASCII", "UTF8", False),
     ("UTF8", "LATIN1", False), ("LATIN1", "LATIN1", True)],
)  # fmt: skip
def test_texts_that_could_not_be_stored_are_refused(here: str, there: str, fine: bool) -> None:
    target = replace(TARGET, live={"name": there})
    if fine:
        check(target=target, encoding=here)
    else:
        with pytest.raises(DatabaseError, match=f"holds {there}, the source {here}"):
            check(target=target, encoding=here)


def test_extensions_that_the_target_lacks_are_named() -> None:
    with pytest.raises(DatabaseError, match="no extension ltree, vector"):
        check(extensions={"hstore": "public", "vector": "public", "ltree": "public"})


def test_a_disk_without_room_for_a_second_copy_is_refused() -> None:
    with pytest.raises(DatabaseError, match=r"70\.0 MB free on its disk, 75\.0 MB needed"):
        check(free=70_000_000)


def test_only_an_administrator_may_create_untrusted_extensions() -> None:
    source = replace(SOURCE, extensions={"hstore": "public", "postgis": "geo"})
    assert Facts(source, TARGET, MACHINE, MACHINE).untrusted == {"postgis": "geo"}


def test_answers_are_read() -> None:
    assert Source.read(json.dumps({"version": 1, "encoding": "x", "size": 2, "extensions": {}}))
    answer: dict[str, object] = {"version": 1, "role": False, "live": None}
    answer |= {"extensions": {}, "lz4": False, "folder": "/"}
    assert Target.read(json.dumps(answer)).live is None


def test_the_log_of_the_writes_needs_room_as_well() -> None:
    size = SOURCE.size
    needed = int(size * facts.ROOM) + facts.SPARE
    check(free=needed)
    check(free=needed + 7, target=replace(TARGET, log=7))
    with pytest.raises(DatabaseError, match="free on its disk"):
        check(free=needed + 6, target=replace(TARGET, log=7))
    check(free=needed + size, target=replace(TARGET, log=100 * size))


def test_what_an_administrators_extension_needs_is_his_too() -> None:
    source = replace(SOURCE, extensions={"cube": "a", "hstore": "b", "earthdistance": "c"})
    known = {"cube": True, "hstore": True, "earthdistance": False}
    target = replace(TARGET, extensions=known, requires={"earthdistance": ["cube"], "x": ["y"]})
    found = Facts(source, target, MACHINE, MACHINE)
    assert found.untrusted == {"cube": "a", "earthdistance": "c"}
    assert Facts(source, replace(target, requires=None), MACHINE, MACHINE).untrusted == {
        "earthdistance": "c"
    }
