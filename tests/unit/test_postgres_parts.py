from dataclasses import replace

import pytest

from slipway.postgres import parts
from slipway.postgres.parts import Choice, Shared
from slipway.postgres.tables import Table

COLUMNS = (("id", "int8", ""), ("text", "text", ""))
WIDE = Table("public.wide", parts.SMALLEST, True, COLUMNS, ("id",), 400)
NARROW = Table("public.narrow", 64 * parts.SMALLEST, True, COLUMNS, ("id",), 100_000_000)
KEYLESS = replace(WIDE, name="public.keyless", key=())


def test_only_what_both_sides_have_alike_is_compared() -> None:
    small = replace(WIDE, size=parts.SMALLEST - 1)
    other = replace(WIDE, columns=COLUMNS[:1])
    assert parts.candidates([WIDE, NARROW], [NARROW, WIDE]) == [WIDE, NARROW]
    for there in ([], [small], [other], [replace(WIDE, name="public.x")]):
        assert parts.candidates([WIDE], there) == []
    assert parts.candidates([small], [WIDE]) == []


def test_wide_rows_are_compared_one_by_one_narrow_ones_by_their_neighbourhood() -> None:
    def part(table: Table) -> str:
        return parts.sums([table], same_encoding=True)[0].partition(" AS part")[0]

    assert part(WIDE).endswith("(SELECT (id::int8 >> 0)")
    assert part(NARROW).endswith("(SELECT (id::int8 >> 12)")
    assert part(KEYLESS).endswith(
        'hash_record_extended(ROW(int8send(id), text COLLATE "C"), 0) & 511)'
    )


def test_the_live_side_says_less() -> None:
    assert "mod(" in parts.sums([WIDE], same_encoding=True, weak=True)[0]
    assert "mod(" not in parts.sums([WIDE], same_encoding=True)[0]


@pytest.mark.parametrize("total", [0, 5, -5, 1 << 40, -(1 << 40) - 3])
def test_equal_parts_are_shared(total: int) -> None:
    weak = abs(total) % parts.WEAK * (1 if total >= 0 else -1)
    found = parts.compared([WIDE], [(0, 1, 2, total)], [(0, 1, 2, weak)])["public.wide"]
    assert (found.changed, found.sent, found.reused, found.whole) == ([], 0, 2, False)
    assert found.fingerprint == f"2:{total}"


def test_parts_that_only_one_side_has_or_that_differ_are_changed() -> None:
    source = [(0, 1, 9, 1), (0, 3, 1, 3), (0, 4, 1, 4), (1, 7, 1, 7)]
    live = [(0, 0, 1, 5), (0, 1, 9, 1), (0, 2, 1, 5), (0, 4, 1, 9), (0, 6, 1, 1), (2, 1, 1, 1)]
    tables = [WIDE, NARROW, KEYLESS]
    first, second, third = parts.compared(tables, source, live).values()
    assert (first.changed, first.sent, first.reused) == ([0, 2, 3, 4, 6], 2, 9)
    assert (second.changed, second.whole, second.fingerprint) == ([7], True, "1:7")
    assert (third.changed, third.whole, third.count) == ([1], True, 0)


def test_what_changed_is_left_out_on_one_side_and_asked_for_on_the_other() -> None:
    shared = Shared(WIDE, 5, 5, 2, [3, 4])
    kept, changed = (Choice("1-2", kept, True).one(shared)[-2] for kept in (True, False))
    rows = "((id::int8 >> 0) = ANY ('{3,4}'::bigint[]))"
    assert f"WHERE {rows} IS NOT TRUE" in kept
    assert f"WHERE {rows}" in changed
    assert "WHERE" not in Choice("1-2", True, True).one(replace(shared, changed=[]))[-2]


def test_only_tables_with_the_same_key_are_compared() -> None:
    there = replace(WIDE, key=())
    assert parts.candidates([WIDE], [WIDE]) == [WIDE]
    assert parts.candidates([WIDE], [there]) == []


def test_many_tables_go_as_one_script() -> None:
    script = Choice("1-2", True, True).many([Shared(WIDE, 5, 5), Shared(KEYLESS, 1, 1)], '"me"')
    assert len([line for line in script if line.startswith("COPY ")]) == 2
    assert "TRUNCATE ONLY public.wide" in script[3]
    assert "TRUNCATE" not in "".join(Choice("1", False, True).many([Shared(WIDE)], '"me"'))


def test_a_line_is_read() -> None:
    assert parts.read(b"0\t-12\t3\t-4\n") == (0, -12, 3, -4)
