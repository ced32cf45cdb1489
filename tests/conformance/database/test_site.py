"""What the site's own connections do when another database takes the name of theirs."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slipway import baseimages, local
from slipway.buildkit import package_index
from slipway.postgres import renaming
from tests.conformance.database.servers import PASSWORD, SITE, Pair, shell

ROOT = Path(__file__).resolve().parents[3]
# A worker that lives on while the databases are switched between its two lines of input.
WORKER = """
import sys
import django
from django.conf import settings
from django.db import connection

settings.configure(
    DATABASES={"default": {"ENGINE": "cloud.postgresql", "NAME": sys.argv[1], "USER": sys.argv[1],
        "HOST": sys.argv[2], "PASSWORD": sys.stdin.readline().rstrip(), "CONN_MAX_AGE": 600}},
    INSTALLED_APPS=[f"django.contrib.{name}" for name in ("contenttypes", "auth", "postgres")],
)
django.setup()
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType

for line in sys.stdin:
    if line == "busy\\n":
        for number in range(400):
            Group.objects.count()
            if number % 3 == 0:
                connection.close()
    number, count = ContentType.objects.get_for_model(Group).pk, Group.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'a => 1'::hstore")
        print(number, count, *cursor.fetchone(), flush=True)
"""
CONTENT = """
CREATE EXTENSION hstore;
SET ROLE site;
CREATE TABLE django_content_type (id int PRIMARY KEY, app_label text, model text);
INSERT INTO django_content_type VALUES ({0}, 'auth', 'group');
CREATE TABLE auth_group (id int PRIMARY KEY, name text);
"""
FIRST = "1 0 {'a': '1'}\n"


@pytest.fixture
def image() -> str:
    baseimages.ensure(["python:3.13-slim-trixie"])
    shell.run(local.build_command(ROOT, package_index()))
    return local.IMAGE


@contextmanager
def working(pair: Pair, image: str) -> Iterator[Callable[[str], str]]:
    """Run a worker; what is yielded sends it a line and returns its answer."""
    network = f"--network=container:{pair.target.server.container}"
    words = ["docker", "run", "--rm", "--interactive", network, image, "python", "-c", WORKER]
    with subprocess.Popen(
        [*words, SITE, "127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin

        def ask(words: str) -> str:
            assert worker.stdin
            assert worker.stdout
            worker.stdin.write(f"{words}\n")
            worker.stdin.flush()
            return worker.stdout.readline()

        worker.stdin.write(f"{PASSWORD.reveal()}\n")
        try:
            yield ask
        finally:
            worker.stdin.close()


def test_numbers_of_content_types_are_those_of_the_database_that_serves(
    pair: Pair, image: str
) -> None:
    pair.fresh("")
    pair.target.query(CONTENT.format(1), SITE)
    pair.target.query(f"CREATE DATABASE other OWNER {SITE};")
    pair.target.query(CONTENT.format(2), "other")
    with working(pair, image) as ask:
        assert ask("before") == FIRST
        pair.target.query(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{SITE}';"
            f"ALTER DATABASE {SITE} RENAME TO {SITE}__previous;"
            f"ALTER DATABASE other RENAME TO {SITE};"
        )
        # Its number of a content type is remembered, its numbers of types are not.
        assert ask("meets the new one") == FIRST
        assert ask("after") == FIRST.replace("1", "2", 1)


def test_a_site_goes_on_whose_connections_are_ended_again_and_again(pair: Pair, image: str) -> None:
    pair.fresh("")
    pair.target.query(CONTENT.format(1), SITE)
    pair.target.query(f"CREATE DATABASE {pair.ends.names.incoming} OWNER {SITE};")
    step = renaming.arrival(pair.ends.names, previous=False)
    with working(pair, image) as ask:
        assert ask("before") == FIRST
        ending = threading.Thread(
            target=pair.target.query, args=[renaming.end_all(step, 2, idle=True)]
        )
        ending.start()
        assert ask("busy") == FIRST
        ending.join()
