"""Push what differs by the places of its values alone, or in bits that not every hash sees."""

import pytest

from slipway.postgres import parts, renewal, tables
from tests.conformance.database.servers import Pair
from tests.conformance.database.test_push_db_again import assert_same, push

TABLES = 12
ROWS = 400
ODD = """
CREATE TYPE money2 AS (amount int, currency text);
CREATE FUNCTION spelled (money2) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ($1).currency';
CREATE CAST (money2 AS text) WITH FUNCTION spelled (money2);
CREATE DOMAIN document AS xml;
"""
COLUMNS = """position int, flag bool, pair bigint, at timestamptz, n int, note text, blank bpchar,
    money money2, document document, empty text[]"""
VALUES = f"""SELECT {{key}} n, n = 3, (n::int8 << 32) | (n + 1), to_timestamp(n), n, md5(n::text),
    'a' || repeat(' ', n % 3), (n, 'EUR')::money2, '<?xml version="1.0"?><a/>', '{{{{}}}}'
    FROM generate_series(1, {ROWS}) n"""
MADE = "".join(
    f"CREATE TABLE {name} ({key} {COLUMNS}); INSERT INTO {name} {VALUES.format(key=value)};"
    for number in range(TABLES)
    for name, key, value in [
        (f"keyed_{number}", "id bigint PRIMARY KEY,", "n,"),
        (f"paired_{number}", "a int, b text, PRIMARY KEY (a, b),", "n % 20, 'b' || n,"),
        (f"keyless_{number}", "", ""),
    ]
)
# Of each what is exchanged, and in which rows.
CHANGES = [
    "UPDATE {table} SET position = 2 * {row} + 1 - position WHERE position IN ({row}, {row} + 1)",
    "UPDATE {table} SET flag = NOT flag WHERE flag OR position = {row}",
    "UPDATE {table} SET position = {row} + (position - {row} + 1) % 10"
    " WHERE position BETWEEN {row} AND {row} + 9",
    "UPDATE {table} SET pair = (pair << 32) | (pair >> 32) WHERE n = {row}",
    "UPDATE {table} SET blank = blank || ' ' WHERE n = {row}",
    "UPDATE {table} SET money = ({row} + 1, 'EUR') WHERE n = {row}",
    "UPDATE {table} SET note = NULL WHERE n = {row}",
    "UPDATE {table} SET note = '' WHERE n = {row}",
    "UPDATE {table} SET empty = NULL WHERE n = {row}",
]


def change(pair: Pair, row: int) -> None:
    """Make one change in each table, so that nothing else tells of it."""
    names = [
        f"{kind}_{number}" for kind in ("keyed", "paired", "keyless") for number in range(TABLES)
    ]
    for place, name in enumerate(names):
        sql = CHANGES[(place + row) % len(CHANGES)].format(table=name, row=row)
        pair.source.query(f"{sql};", "local")


def test_what_changes_its_place_arrives(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST", 8192)
    monkeypatch.setattr(renewal, "MOST_CHANGED", 0.9)
    monkeypatch.setattr(tables, "FEW", 1 << 20)
    pair.fresh(ODD + MADE)
    push(pair)
    assert_same(pair)
    # The second push compares with the live one, the third renews a copy of the kept one.
    for row in (20, 51, 82):
        change(pair, row)
        fields = push(pair)
        assert int(str(fields["rows_reused"])) > 0
        assert_same(pair)
