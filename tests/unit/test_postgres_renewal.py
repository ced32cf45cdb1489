from dataclasses import replace

import pytest

from slipway.postgres import renewal
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts
from slipway.postgres.names import Names
from slipway.postgres.parts import Shared
from slipway.postgres.server import Server
from slipway.postgres.tables import Table
from tests.unit.test_postgres_facts import MACHINE, SOURCE, TARGET

A, B, C = (
    Table(f"public.{name}", size, True, ()) for name, size in zip("abc", (10, 30, 60), strict=True)
)
SERVER = Server("host1", "box")
ENDS = Ends(SERVER, "local", SERVER, Names("site"), "site")


@pytest.mark.parametrize(
    ("source", "target", "possible"),
    [
        ({}, {}, True),
        ({"version": 160004}, {}, False),
        ({"version": 140004}, {"version": 140004}, False),
        ({"encoding": "LATIN1"}, {}, False),
        ({"large_objects": True}, {}, False),
        ({}, {"superuser": False}, False),
    ],
)
def test_only_like_databases_of_whom_all_can_be_seen_are_renewed(
    source: dict[str, object], target: dict[str, object], possible: bool
) -> None:
    here, there = replace(SOURCE, **source), replace(TARGET, **target)  # type: ignore[arg-type]
    assert renewal.possible(Facts(here, there, MACHINE, MACHINE), ENDS) is possible


def test_tables_with_another_fingerprint_are_replaced_whole() -> None:
    here = {("table", "public.a"): "3:7", ("table", "public.b"): "4:9", ("index", "i"): ""}
    there = here | {("table", "public.b"): "4:8"}
    assert renewal.different([A, B], here, here) == []
    assert renewal.different([A, B], here, there) == [Shared(B, 4, sent=4, whole=True)]


def test_of_compared_tables_only_what_differs_is_replaced() -> None:
    shared = [Shared(A, 9, 1), Shared(B, 9, 1, 2, [5]), Shared(C, 9, 1, 8, [1, 2], whole=True)]
    first, second = renewal.different_parts(shared)
    assert first is shared[1]
    assert (second.table, second.changed, second.sent) == (C, [], 9)


@pytest.mark.parametrize(("sent", "worth_it"), [(0, True), (4, True), (6, False), (10, False)])
def test_much_is_sooner_made_anew(sent: int, worth_it: bool) -> None:
    assert renewal.worth_it([A, B, C], [Shared(C, 10, sent=sent)]) is worth_it
    assert renewal.worth_it([A, B, C], [Shared(A, 0, sent=0, whole=True)])
