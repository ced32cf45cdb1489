"""Push once more: what the live database has already is not sent, and nothing else differs."""

import random
import re
from typing import Any

import pytest

from slipway.command import Command
from slipway.console import Console
from slipway.database import push_db
from slipway.postgres import parts, tables
from slipway.postgres.reuse import Reuse
from slipway.postgres.server import Client
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, shell
from tests.unit.factory import environment

SEED, ROUNDS = 6, 5
KEYED = 20_000
MORE = f"""
CREATE EXTENSION "uuid-ossp";
CREATE TABLE wide (id bigserial PRIMARY KEY, title varchar(90), body text, n numeric);
INSERT INTO wide (title, body, n) SELECT md5(n::text), repeat(md5((3 * n)::text), 4), n / 7.0
    FROM generate_series(1, {KEYED}) n;
CREATE INDEX ON wide (title);
CREATE TABLE named (id uuid PRIMARY KEY, text text);
INSERT INTO named SELECT uuid_generate_v5(uuid_ns_url(), n::text), md5(n::text)
    FROM generate_series(1, 3000) n;
CREATE TABLE paired (a int, b varchar(20), c text, PRIMARY KEY (a, b));
INSERT INTO paired SELECT n / 7, 'b' || n % 7, md5(n::text) FROM generate_series(1, 3000) n;
CREATE TABLE keyless (at timestamptz, text text);
INSERT INTO keyless SELECT to_timestamp(n / 3), md5((n / 2)::text) FROM generate_series(1, 3000) n;
CREATE TABLE short (id smallint PRIMARY KEY, text text);
INSERT INTO short SELECT n, md5(n::text) FROM generate_series(-3000, 3000) n;
"""
# What a day of work does to a database, and what people do to the site meanwhile.
CHANGES = [
    "UPDATE wide SET title = 'changed ' || random() WHERE id % 100 = {n};",
    "UPDATE wide SET body = NULL WHERE id BETWEEN {n} * 100 AND {n} * 100 + 400;",
    "DELETE FROM wide WHERE id % 89 = {n};",
    "INSERT INTO wide (title, n) SELECT 'new ' || n, {n} FROM generate_series(1, 300) n;",
    "UPDATE wide SET n = trunc(n, 3) WHERE id % 97 = {n};",
    "UPDATE named SET text = text || '!' WHERE text LIKE '%{n}';",
    "UPDATE named SET id = uuid_generate_v4() WHERE text LIKE '%{n}';",
    "DELETE FROM paired WHERE a % 50 = {n};",
    "UPDATE paired SET b = b || 'x' WHERE a = {n};",
    "INSERT INTO keyless SELECT at, text FROM keyless LIMIT {n};",
    "DELETE FROM keyless WHERE ctid IN (SELECT min(ctid) FROM keyless GROUP BY at LIMIT {n});",
    "UPDATE short SET id = -id WHERE id = {n} AND false; DELETE FROM short WHERE id < -{n} * 20;",
    "UPDATE odd SET near = near + 1, tags = '{{x}}' WHERE positive % 10 = {n} % 10;",
    "UPDATE marker SET text = 'marked {n}';",
    "SELECT setval('wide_id_seq', 1000000 + {n}), nextval('never_used');",
    "SELECT lo_from_bytea(0, 'object {n}');",
    "SELECT lo_put(oid, 3, '{n}') FROM pg_largeobject_metadata;",
    "TRUNCATE named;",
    "ALTER TABLE wide ADD added_{n} int DEFAULT {n};",
    "ALTER TABLE paired ALTER c TYPE varchar(50);",
    "ALTER TABLE short RENAME TO shorter; CREATE TABLE short AS SELECT * FROM shorter;",
    "ALTER TYPE mood ADD VALUE 'mood {n}';",
    "CREATE TABLE made_{n} AS SELECT * FROM wide LIMIT 2000;",
    "DROP TABLE keyless; CREATE TABLE keyless (text text, at timestamptz);",
    "CREATE INDEX ON wide (n) WHERE id > {n};",
    "VACUUM FULL wide;",
]


def push(pair: Pair) -> dict[str, object]:
    return push_db(environment(), Console(as_json=True), ends=pair.ends)


def number(fields: dict[str, object], name: str) -> int:
    return int(str(fields[name]))


def seen(client: Client, database: str) -> list[list[str]]:
    """Return all that pg_dump says of a database, but for the order of the rows."""
    words = ["pg_dump", "--username", client.server.user, "--no-owner", "--no-acl", database]
    docker_words = ("docker", "exec", client.server.container, *words)
    said = shell.run(Command.of(*docker_words)).stdout
    said = re.sub(r"(?m)^\\(un)?restrict .*$", "", said)
    blocks = re.split(r"(?m)^(COPY .* FROM stdin;)$", said)
    return [
        [*sorted(block.partition("\n\\.\n")[0].splitlines()), block.partition("\n\\.\n")[2]]
        if before.startswith("COPY ")
        else [block]
        for before, block in zip(["", *blocks], blocks, strict=False)
    ]


def assert_same(pair: Pair) -> None:
    here, there = seen(pair.source, "local"), seen(pair.target, SITE)
    assert len(here) == len(there)
    for ours, theirs in zip(here, there, strict=True):
        assert ours == theirs


@pytest.fixture
def pushed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give two servers that hold the same; every table is worth comparing."""
    monkeypatch.setattr(parts, "SMALLEST", 8192)
    monkeypatch.setattr(tables, "LARGE", 1 << 20)
    pair.fresh(content.SITE + content.ODD + MORE)
    push(pair)
    return pair


def test_whatever_was_changed_arrives_and_what_was_not_is_not_sent(pushed: Pair) -> None:
    chance, reused = random.Random(SEED), 0
    assert_same(pushed)
    for _ in range(ROUNDS):
        for statement in chance.sample(CHANGES, 7):
            client, database = chance.choice(
                [(pushed.source, "local")] * 3 + [(pushed.target, SITE)]
            )
            sql = statement.format(n=chance.randint(1, 80))
            # What does not fit any more, after other changes, changes nothing.
            client.query(f"\\set ON_ERROR_STOP 0\n{sql}", database)
        fields = push(pushed)
        reused += number(fields, "rows_reused")
        assert_same(pushed)
    assert reused > ROUNDS * KEYED / 2


@pytest.mark.parametrize("changed", ["id % 100 = 1", "id < 600"])
def test_what_is_sent_is_about_what_was_changed(
    pushed: Pair, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.setattr(parts, "PART", 128)
    rest = number(push(pushed), "bytes_sent")
    pushed.live("UPDATE wide SET title = '';")
    whole = number(push(pushed), "bytes_sent")
    pushed.source.query(f"UPDATE wide SET title = title || '!' WHERE {changed};", "local")
    fields = push(pushed)
    assert number(fields, "rows_reused") >= KEYED * 0.9
    sent = number(fields, "bytes_sent")
    assert sent - rest < 0.05 * (whole - rest), (rest, whole, fields)
    assert_same(pushed)


@pytest.mark.parametrize(
    "meanwhile",
    ["TRUNCATE a CASCADE;", "DROP TABLE b;", "ALTER TABLE b DROP note;", "DELETE FROM b;"],
)
def test_whatever_happens_to_what_is_to_be_reused_all_of_it_arrives(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    monkeypatch.setattr(parts, "SMALLEST", 8192)
    rows = "SELECT n, md5(n::text) FROM generate_series(1, 3000) n"
    pair.fresh(
        f"CREATE TABLE a (id int PRIMARY KEY, note text); INSERT INTO a {rows};"
        "CREATE TABLE b (id int PRIMARY KEY, note text, a int REFERENCES a);"
        "INSERT INTO b SELECT id, note, id FROM a;"
    )
    push(pair)
    pair.source.query("UPDATE b SET note = 'x' WHERE id % 100 = 1;", "local")
    compare, waiting = Reuse.compare, [meanwhile]

    def late(self: Reuse, *given: Any) -> None:
        compare(self, *given)
        pair.live(waiting.pop() if waiting else "")

    monkeypatch.setattr(Reuse, "compare", late)
    push(pair)
    assert_same(pair)


def test_types_may_be_called_like_the_servers_own(pair: Pair) -> None:
    enums = "".join(
        f"CREATE TYPE public.\"{name}\" AS ENUM ('am', 'pm'); CREATE TABLE of_{name} "
        f"(a public.\"{name}\" PRIMARY KEY); INSERT INTO of_{name} VALUES ('pm');"
        for name in ("time", "date", "uuid", "bool", "timestamptz", "oid")
    )
    pair.fresh(
        f"{enums} CREATE DOMAIN public.int8 AS text; CREATE DOMAIN public.text AS int;"
        "CREATE TABLE of_int8 (a public.int8 PRIMARY KEY, b public.text);"
        "INSERT INTO of_int8 VALUES ('one', 1), ('two', 2);"
        'CREATE TYPE public."timestamp" AS (a int); CREATE TABLE c (a public."timestamp");'
        "INSERT INTO c VALUES (ROW(7));"
    )
    for change in ("", "UPDATE of_int8 SET b = 3 - b; UPDATE of_time SET a = 'am';"):
        pair.source.query(change, "local")
        push(pair)
        assert_same(pair)
