import pytest

from slipway.postgres import compare
from slipway.postgres.compare import Content, differences

SENT = Content(
    {("table", "public.a"): "3:9", ("table", "public.b"): "0:0", ("index", "public.a_pkey"): ""},
    {"public.a_id_seq": 3, "public.b_id_seq": None},
)


def arrived(**changes: str) -> Content:
    objects = {**SENT.objects, **{("table", f"public.{name}"): n for name, n in changes.items()}}
    return Content(objects, SENT.sequences)


def test_what_is_equal_has_no_difference() -> None:
    assert differences(SENT, SENT.sequences, SENT) == []
    assert (SENT.tables, SENT.rows) == (2, 3)


def test_a_table_with_other_rows_is_named() -> None:
    found = differences(SENT, SENT.sequences, arrived(a="2"))
    assert found == ["table public.a has 3 rows here, 2 there"]


def test_equally_many_rows_that_are_not_the_same_are_found() -> None:
    found = differences(SENT, SENT.sequences, arrived(a="3:8"))
    assert found == ["table public.a has the same 3 rows, with other contents"]


def test_what_is_missing_or_too_much_is_named() -> None:
    less = Content({("table", "public.a"): "3:9", ("table", "public.b"): "0:0"}, SENT.sequences)
    assert differences(SENT, SENT.sequences, less) == ["index public.a_pkey did not arrive"]
    assert differences(SENT, SENT.sequences, arrived(c="1")) == [
        "table public.c was not sent, but is there"
    ]


@pytest.mark.parametrize(
    ("first", "last", "value", "equal"),
    [
        (3, 3, 3, True),
        (3, 3, 2, False),
        (3, 3, None, False),
        (None, None, None, True),
        (None, None, 1, False),
        (3, 9, 5, True),
        (3, 9, 10, False),
        (-3, -9, -5, True),
        (None, 4, None, True),
        (None, 4, 2, True),
    ],
)
def test_a_sequence_may_move_on_while_it_is_dumped(
    first: int | None, last: int | None, value: int | None, equal: bool
) -> None:
    sent, there = Content({}, {"s": first}), Content({}, {"s": value})
    assert (differences(sent, {"s": last}, there) == []) is equal


def test_a_sequence_that_is_missing_is_named() -> None:
    assert differences(SENT, SENT.sequences, Content(SENT.objects, {})) == [
        "sequence public.a_id_seq is at 3 here, at None there"
    ]


def test_answers_are_read() -> None:
    assert compare.inventory([["table", "public.a", "3"]]) == {("table", "public.a"): "3"}
    assert compare.sequences([["a", "3"], ["b", ""]]) == {"a": 3, "b": None}


def test_migrations_that_only_one_side_has_are_named() -> None:
    one, two, three = ["app.0001"], ["app.0002"], ["app.0003"]
    assert compare.migrations([one], [one]) == []
    assert compare.migrations([], [one]) == compare.migrations([one], []) == []
    assert compare.migrations([one], [one, two, three]) == [
        "the local database lacks the migration app.0002 and 1 more; "
        "migrate it now, or run 'invoke deploy' afterwards"
    ]
    assert compare.migrations([one, two], [one]) == [
        "the environment does not know the migration app.0002 yet; deploy that code"
    ]
