"""Migrate the deployed site's database while somebody else works in it."""

from typing import Any

from tests.e2e.machine import python

CONCURRENTLY = """
import threading
from django.db import connection
from cloud.management.commands.release import _impatient
other = connection.copy()
other.inc_thread_sharing()
with other.cursor() as cursor:
    cursor.execute("BEGIN")
    cursor.execute("LOCK TABLE uploader_uploadedfile IN ROW EXCLUSIVE MODE")
threading.Timer(3, other.close).start()
with _impatient(connection, 0.5), connection.cursor() as cursor:
    cursor.execute("SET statement_timeout = '30s'")
    cursor.execute("CREATE INDEX CONCURRENTLY slipway_try ON uploader_uploadedfile (file)")
    cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'slipway_try'::regclass")
    found = [cursor.fetchone()[0]]
    cursor.execute("SHOW lock_timeout")
    found.append(cursor.fetchone()[0])
    cursor.execute("DROP INDEX slipway_try")
print("{}:{}".format(*found))
"""


def test_an_index_that_is_made_concurrently_waits_for_who_writes(story: dict[str, Any]) -> None:
    assert story["url"]
    assert python(CONCURRENTLY) == "True:500ms"
