"""Switch database and key of the deployed site under visitors: no request of theirs fails."""

import http.client
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from slipway import dsn, environment
from slipway.dsn import S3Dsn
from slipway.storage.s3_client import app_client
from tests.e2e.machine import ROOT, invoke, result_of

SITE = ("127.0.0.1", 8080)
HEADERS = {"Host": "test.localhost:8080", "Cookie": f"sessionid={'a' * 32}"}
WRITE = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
name = default_storage.save("rotated.txt", ContentFile(b"new key"))
default_storage.delete(name)
print("written")
"""
VISITORS, PAUSE = 4, 0.02


@dataclass
class Visits:
    """Hold what visitors have seen of a page for which the database is asked who they are."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.seconds)} requests, longest {max(self.seconds) * 1000:.0f} ms"

    def ask(self, connection: http.client.HTTPConnection) -> None:
        begin = time.monotonic()
        try:
            connection.request("GET", "/admin/login/", headers=HEADERS)
            answer = connection.getresponse()
            page = answer.read()
            if answer.status != 200 or b'name="password"' not in page:
                self.failures.append(f"{answer.status}, {len(page)} bytes")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.failures.append(f"{type(error).__name__} {error}")
        self.seconds.append(time.monotonic() - begin)


@contextmanager
def visitors() -> Iterator[Visits]:
    visits, stop = Visits(), threading.Event()

    def visit() -> None:
        connection = http.client.HTTPConnection(*SITE, timeout=60)
        while not stop.wait(PAUSE):
            visits.ask(connection)
        connection.close()

    threads = [threading.Thread(target=visit, daemon=True) for _ in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)


def test_no_request_fails_while_databases_are_switched(story: dict[str, Any]) -> None:
    assert story["url"]
    # The second undo leads back to what was pushed.
    for command in ("push-db", "undo-db", "undo-db"):
        with visitors() as visits:
            time.sleep(1)
            said = result_of(command, "--yes")
            time.sleep(1)
        print(f"\n{command}: {visits}, switched in {said['downtime_ms']} ms")
        assert visits.failures == []
        assert len(visits.seconds) > 50


def test_no_request_fails_while_the_storages_key_is_replaced(story: dict[str, Any]) -> None:
    old = key()
    with visitors() as visits:
        said = result_of("rotate-keys", "--yes")
    print(f"\nrotate-keys: {visits}, {said['seconds']} s")
    assert visits.failures == []
    assert (said["rotated"], said["release"]) == (True, story["first"]["deploy"]["release"])
    assert key() != old
    # The release that runs writes with the new key, and the old one opens nothing any more.
    assert invoke("manage", f"shell -c {shlex.quote(WRITE)}").stdout.split()[-1] == "written"
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId|AccessDenied"):
        app_client(old).list_objects_v2(Bucket=old.bucket)


def key() -> S3Dsn:
    found = dsn.storage(environment.load("test", ROOT).variable("DEFAULT_STORAGE_DSN"))
    assert isinstance(found, S3Dsn)
    return found
