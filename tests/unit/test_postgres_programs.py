import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.postgres import programs
from slipway.postgres.programs import Machine

LISTING = """;
; Selected TOC Entries:
;
10; 2615 100012 SCHEMA - odd one myapp
12; 2615 100013 SCHEMA - odd myapp
9; 2615 100011 SCHEMA - tools myapp
3476; 0 0 COMMENT - SCHEMA tools myapp
11; 2615 100079 SCHEMA - toolsy myapp
2; 3079 100013 EXTENSION - pageinspect 
3477; 0 0 COMMENT - EXTENSION pageinspect 
3; 3079 100058 EXTENSION - uuid-ossp 
3479; 0 0 COMMENT - EXTENSION "uuid-ossp" 
215; 1259 16389 TABLE public tools myapp
"""  # noqa: W291


def test_the_dump_takes_the_snapshot_and_leaves_owners_and_replication_out() -> None:
    words = programs.dump("me", "my db", 170002, "00000003-1")
    assert words[0] == "pg_dump"
    assert {"--format=custom", "--snapshot=00000003-1", "--no-acl", "--no-publications"} <= {*words}
    assert words[-2] == "--dbname"
    assert words[-1].startswith("dbname='my db' ")


@pytest.mark.parametrize(("version", "wanted"), [(150018, "3"), (160000, "zstd:1")])
def test_older_servers_only_know_gzip(version: int, wanted: str) -> None:
    assert f"--compress={wanted}" in programs.dump("me", "db", version, "1")


def test_names_of_any_number_and_kind_reach_a_dump() -> None:
    names = ['public."a b"', 'x."new\nline"', "%"]
    command = programs.without(["printf", "%s|", "--first"])
    said = subprocess.run(command, input=programs.listed(names), capture_output=True, text=True)
    assert said.stdout == "".join(
        f"{word}|" for word in ["--first", *(f"--exclude-table-data={name}" for name in names)]
    )
    alone = subprocess.run(command, input="", capture_output=True, text=True)
    assert alone.stdout == "--first|"


def test_the_restore_stops_at_the_first_error_and_makes_everything_the_owners() -> None:
    words = programs.restore("postgres", "myapp__incoming", "myapp")
    assert {"--exit-on-error", "--no-owner", "--no-acl", "--role=myapp"} <= {*words}
    assert {"--no-publications", "--no-subscriptions", "--no-security-labels"} <= {*words}
    assert not any(word.startswith("--use-list") for word in words)
    assert "--use-list=/tmp/x" in programs.restore("postgres", "i", "myapp", "/tmp/x")


def test_untrusted_extensions_their_comments_and_schemas_are_not_restored() -> None:
    kept = programs.selected(LISTING, {"pageinspect": "tools", "uuid-ossp": "odd"})
    gone = set(LISTING.splitlines()) - set(kept.splitlines())
    assert sorted(line.split(";")[0] for line in gone) == ["12", "2", "3", "3477", "3479", "9"]


def test_free_space_is_read_in_bytes() -> None:
    disk = "/dev/vda         264049348 32345216  80964132      29% /var/lib/postgresql/data"
    assert programs.machine([["2"], ["zstd"], [disk]]) == Machine(2, True, 80964132 * 1024)
    assert programs.machine([["8"], [""], [disk]]) == Machine(8, False, 80964132 * 1024)


@given(st.lists(st.lists(st.text(alphabet='ab,"\n\r \x1f;'), min_size=2), min_size=1))
def test_rows_are_read_as_they_were_written(rows: list[list[str]]) -> None:
    said = "".join(
        ",".join('"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in rows
    )
    assert programs.rows(said) == rows


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('pg_dump: error: query failed: ERROR:  relation "x" is locked\n', "query failed: ERROR:"),
        ("pg_restore: error: could not read from input file: end of file\n", "could not read"),
        ('psql:<stdin>:3: ERROR:  syntax error at or near "x"\nLINE 1: x\n   ^\n', "syntax error"),
        ("WARNING: nothing\nERROR:  no space left on device\nCONTEXT: COPY t\n", "no space left"),
        ("Error response from daemon: container 1 is not running\n", "Error response from"),
        (
            'pg_dump: error: Dumping the contents of table "t" failed: PQgetResult() failed.\n'
            "pg_dump: detail: Error message from server: FATAL:  terminating connection\n"
            "pg_dump: detail: Command was: COPY t TO stdout;\n",
            "terminating connection",
        ),
        ("first\n\nlast words\n", "last words"),
        ("", "it ended without a word"),
    ],
)
def test_the_line_that_explains_a_failure_is_found(said: str, wanted: str) -> None:
    explained = programs.explain(said)
    assert explained.startswith(wanted)
    assert "\n" not in explained
