"""What the site's own connections do when another database takes the name of theirs."""

import subprocess
from pathlib import Path

import pytest

from slipway import baseimages, local
from slipway.buildkit import package_index
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
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType

for _ in sys.stdin:
    print(ContentType.objects.get_for_model(Group).pk, Group.objects.count(), flush=True)
"""
CONTENT = """
SET ROLE site;
CREATE TABLE django_content_type (id int PRIMARY KEY, app_label text, model text);
INSERT INTO django_content_type VALUES ({0}, 'auth', 'group');
CREATE TABLE auth_group (id int PRIMARY KEY, name text);
"""


@pytest.fixture
def image() -> str:
    baseimages.ensure(["python:3.13-slim-trixie"])
    shell.run(local.build_command(ROOT, package_index()))
    return local.IMAGE


def test_numbers_of_content_types_are_those_of_the_database_that_serves(
    pair: Pair, image: str
) -> None:
    pair.fresh("")
    pair.target.query(CONTENT.format(1), SITE)
    pair.target.query(f"CREATE DATABASE other OWNER {SITE};")
    pair.target.query(CONTENT.format(2), "other")
    network = f"--network=container:{pair.target.server.container}"
    words = ["docker", "run", "--rm", "--interactive", network, image, "python", "-c", WORKER]
    with subprocess.Popen(
        [*words, SITE, "127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin
        assert worker.stdout

        def ask(words: str) -> str:
            assert worker.stdin
            assert worker.stdout
            worker.stdin.write(f"{words}\n")
            worker.stdin.flush()
            return worker.stdout.readline()

        worker.stdin.write(f"{PASSWORD.reveal()}\n")
        assert ask("before") == "1 0\n"
        try:
            pair.target.query(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{SITE}';"
                f"ALTER DATABASE {SITE} RENAME TO {SITE}__previous;"
                f"ALTER DATABASE other RENAME TO {SITE};"
            )
            ask("meets the new one")
            assert ask("after") == "2 0\n"
        finally:
            worker.stdin.close()
