"""Switch database and key of the deployed site under visitors: no request of theirs fails."""

import http.client
import io
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from slipway import dsn, environment
from slipway.dsn import S3Dsn
from slipway.sandbox.browser import TOKEN, Browser
from slipway.storage.s3_client import app_client
from tests.e2e.machine import ROOT, python, result_of

SITE = ("127.0.0.1", 8080)
HEADERS = {"Host": "test.localhost:8080", "Cookie": f"sessionid={'a' * 32}"}
WRITE = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
name = default_storage.save("rotated.txt", ContentFile(b"new key"))
default_storage.delete(name)
print("written")
"""
LOGIN = """
from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore
user = auth.get_user_model().objects.filter(is_superuser=True)[0]
session = SessionStore()
session[auth.SESSION_KEY] = user.pk
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""
FORGET = """
from uploader.models import UploadedFile
for one in UploadedFile.objects.filter(file__endswith={name!r}):
    one.file.delete()
    one.delete()
"""
FORM = "/admin/uploader/uploadedfile/add/"
VISITORS, PAUSE = 4, 0.02
# Longer than it takes until the tasks with the old key are told to end.
UPLOAD_SECONDS = 16


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
    assert python(WRITE) == "written"
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId|AccessDenied"):
        app_client(old).list_objects_v2(Bucket=old.bucket)


def test_an_upload_that_is_under_way_may_end_with_the_old_key(story: dict[str, Any]) -> None:
    assert story["url"]
    name, content = f"{secrets.token_hex(4)}.bin", secrets.token_bytes(100_000)
    browser = Browser("http://{}:{}".format(*SITE), HEADERS["Host"])
    browser.session.cookies.set("sessionid", python(LOGIN))
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(upload, browser, name, content)
        time.sleep(1)
        assert result_of("rotate-keys", "--yes")["rotated"]
        assert begun.done()
        assert begun.result().status_code == 200
    assert browser.fetch(browser.files()[name]) == content
    python(FORGET.format(name=name))


class Slow(io.BytesIO):
    """Give the second half of a body only after a while."""

    waited = False

    def read(self, size: int | None = -1) -> bytes:
        if not self.waited and self.tell() > len(self.getvalue()) / 2:
            self.waited = True
            time.sleep(UPLOAD_SECONDS)
        return super().read(size)


def upload(browser: Browser, name: str, content: bytes) -> requests.Response:
    """Upload a file slowly through the admin's own form."""
    token = TOKEN.search(browser.get(FORM).text)
    assert token
    address = browser.absolute(FORM)
    fields, files = {"csrfmiddlewaretoken": token[1]}, {"file": (name, content)}
    form = requests.Request("POST", address, data=fields, files=files).prepare()
    assert isinstance(form.body, bytes)
    kind = {"Content-Type": form.headers["Content-Type"]}
    return browser.session.post(address, data=Slow(form.body), headers=kind, timeout=60)


def key() -> S3Dsn:
    found = dsn.storage(environment.load("test", ROOT).variable("DEFAULT_STORAGE_DSN"))
    assert isinstance(found, S3Dsn)
    return found
