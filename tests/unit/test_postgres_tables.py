import json
from dataclasses import replace

from slipway.postgres import tables
from slipway.postgres.tables import Table

COLUMNS = (("id", "int8", ""), ('"Odd"', "text", ""), ("made", "numeric", "s"))
LARGE = Table("public.a", tables.LARGE, True, COLUMNS)
SMALL = Table("public.b", 8192, False, (("tags", "_text", ""),))


def test_the_answer_is_read() -> None:
    answer = {
        "name": "public.b", "size": 8192, "binary": False, "columns": [["tags", "_text", ""]],
        "key": [], "rows": -1,
    }  # fmt: skip
    assert tables.read([[json.dumps(answer)]]) == [SMALL]


def test_large_tables_are_copied_by_themselves_the_largest_first() -> None:
    larger = Table("public.c", 2 * tables.LARGE, True, COLUMNS)
    assert tables.large([LARGE, SMALL, larger]) == [larger, LARGE]
    assert tables.large([LARGE, SMALL, larger], {"public.c"}) == [LARGE]
    assert tables.large([Table("public.d", tables.LARGE, True, ())]) == []


def test_rows_are_copied_in_binary_where_that_means_the_same_elsewhere() -> None:
    assert tables.unload(LARGE, "1-2")[2:4] == [
        "SET TRANSACTION SNAPSHOT '1-2'",
        'COPY public.a (id, "Odd") TO STDOUT (FORMAT binary)',
    ]
    assert tables.load(SMALL, '"me"') == [
        "BEGIN",
        'SET LOCAL ROLE "me"',
        "TRUNCATE ONLY public.b",
        "COPY public.b (tags) FROM STDIN (FORMAT text, FREEZE)",
        "COMMIT",
    ]


def test_a_fingerprint_sees_every_value() -> None:
    (sql,) = tables.fingerprints([LARGE, SMALL])
    assert 'ROW(int8send(id), "Odd" COLLATE "C", made::text COLLATE "C")' in sql
    assert "ROW(format('%L', tags) COLLATE \"C\")" in sql
    assert sql.count("UNION ALL") == 1
    (wide,) = tables.fingerprints([LARGE], same_encoding=False)
    rest = "convert_to(\"Odd\"::text, 'UTF8'), convert_to(made::text, 'UTF8')"
    assert f"ROW(int8send(id), {rest})" in wide


def test_each_row_is_hashed_so_that_exchanged_values_count() -> None:
    def total(*key: str) -> str:
        return tables.fingerprinted(replace(LARGE, key=key), same_encoding=True)

    row = 'ROW(int8send(id), "Odd" COLLATE "C", made::text COLLATE "C")'
    assert total("id") == f"hash_record_extended({row}, id::int8)"
    seed = 'hash_record_extended(ROW(int8send(id), "Odd" COLLATE "C"), 0)'
    assert total("id", '"Odd"') == f"hash_record_extended({row}, {seed})"
    once = f"hash_record_extended({row}, 0)"
    assert total() == f"hash_record_extended(ROW(int8send({once})), 0)"


def test_a_table_without_columns_is_counted() -> None:
    assert "coalesce(NULL, 0)" in tables.fingerprints([Table("public.e", 0, False, ())])[0]


def test_few_rows_are_kept_in_memory_excluded_ones_do_not_count() -> None:
    half = Table("public.half", tables.FEW // 2, True, ())
    assert tables.together([replace(half, size=half.size - 1), half])
    assert not tables.together([half, half])
    assert tables.together([half, replace(half, name="public.log")], {"public.log"})


def test_many_tables_are_asked_for_in_several_queries() -> None:
    assert len(tables.fingerprints([SMALL] * (tables.TOGETHER + 1))) == 2
