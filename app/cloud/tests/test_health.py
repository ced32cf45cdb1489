import json
from pathlib import Path
from subprocess import run
from tempfile import mkdtemp
from unittest import mock

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError
from django.test import SimpleTestCase, TestCase, override_settings

from cloud import health

from .fake_s3 import fake_s3


def file_dsn(folder: str | Path) -> str:
    return f"file://{folder}/?url=%2Fmedia%2F"


class Endpoint(TestCase):
    def setUp(self) -> None:
        fresh = health.Remembered(health.check_storage)
        self.enterContext(mock.patch.object(health, "_storage_outcome", fresh))

    def get(self, **headers: str) -> tuple[int, dict[str, str]]:
        response = self.client.get("/healthz", headers=headers)
        return response.status_code, json.loads(response.content)

    def test_is_first_without_an_entry_of_the_project(self) -> None:
        self.assertEqual(settings.MIDDLEWARE[0], health.MIDDLEWARE)
        self.assertEqual(settings.MIDDLEWARE.count(health.MIDDLEWARE), 1)

    def test_is_green_when_all_works(self) -> None:
        expected = {"status": "ok", "database": "ok", "storage": "ok"}
        self.assertEqual(self.get(), (200, expected))

    @override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["example.com"])
    def test_needs_neither_a_valid_host_nor_https(self) -> None:
        self.assertEqual(self.get(host="10.0.0.7:8000")[0], 200)
        self.assertEqual(self.client.get("/", headers={"host": "10.0.0.7"}).status_code, 400)

    def test_life_is_not_a_matter_of_database_and_storage(self) -> None:
        with mock.patch("cloud.health.connection.cursor", side_effect=OperationalError):
            self.assertEqual(self.client.get("/livez").status_code, 200)

    def test_is_red_without_a_database_and_says_no_more_than_the_kind(self) -> None:
        failure = OperationalError("connection to postgres://u:SECRET@db failed")
        with mock.patch("cloud.health.connection.cursor", side_effect=failure):
            status, body = self.get()
        self.assertEqual(status, 503)
        self.assertEqual(body["database"], "OperationalError")
        self.assertNotIn("SECRET", str(body))


class Storage(SimpleTestCase):
    def outcome(self, dsn: str) -> str:
        # Naming STORAGES, unchanged, makes Django build the storage anew.
        with override_settings(DEFAULT_STORAGE_DSN=dsn, STORAGES=settings.STORAGES):
            return health.outcome(health.check_storage)

    def test_wrong_secret_is_red(self) -> None:
        with fake_s3() as server:
            server.status, server.error = 403, "SignatureDoesNotMatch"
            self.assertEqual(self.outcome(server.dsn()), "SignatureDoesNotMatch")

    def test_missing_object_is_green(self) -> None:
        with fake_s3() as server:
            server.status, server.error = 404, "NoSuchKey"
            self.assertEqual(self.outcome(server.dsn()), "ok")

    def test_unreadable_dsn_is_red(self) -> None:
        for dsn in ("", "s3://K:S/S@b.s3.example/", "gs://K:S@bucket/"):
            with self.subTest(dsn):
                self.assertNotEqual(self.outcome(dsn), "ok")

    def test_folder_is_green_before_its_first_file(self) -> None:
        self.assertEqual(self.outcome(file_dsn(Path(mkdtemp(), "media", "deep"))), "ok")

    def test_folder_that_cannot_be_written_is_red(self) -> None:
        with mock.patch("cloud.health.os.access", return_value=False):
            self.assertEqual(self.outcome(file_dsn(mkdtemp())), "PermissionError")

    def test_file_in_the_folders_place_is_red(self) -> None:
        file = Path(mkdtemp(), "media")
        file.touch()
        self.assertEqual(self.outcome(file_dsn(file)), "PermissionError")

    def test_plain_storages_are_checked_too(self) -> None:
        file = Path(mkdtemp(), "media")
        file.touch()
        with mock.patch("cloud.health.default_storage", FileSystemStorage(file)):
            self.assertEqual(health.outcome(health.check_storage), "PermissionError")


class Memory(SimpleTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.enterContext(mock.patch("cloud.health.time.monotonic", lambda: self.now))
        self.check = mock.Mock(__name__="check")
        self.remembered = health.Remembered(self.check)

    def after(self, seconds: float) -> str:
        self.now += seconds
        return self.remembered()

    def test_success_is_asked_again_after_ten_seconds(self) -> None:
        self.assertEqual([self.after(0), self.after(9), self.check.call_count], ["ok", "ok", 1])
        self.check.side_effect = OSError
        self.assertEqual(self.after(2), "OSError")

    def test_failure_is_asked_again_after_two_seconds(self) -> None:
        self.check.side_effect = OSError
        self.assertEqual(
            [self.after(0), self.after(1), self.check.call_count], ["OSError"] * 2 + [1]
        )
        self.check.side_effect = None
        self.assertEqual(self.after(2), "ok")


class Probe(SimpleTestCase):
    """Run the script of the image's HEALTHCHECK."""

    def setUp(self) -> None:
        self.proven = Path(mkdtemp(), "proven")

    def run_with(self, port: int) -> int:
        script = Path(settings.BASE_DIR, "cloud", "probe.sh")
        words = ["bash", str(script), str(self.proven)]
        return run(words, env={"PORT": str(port)}, capture_output=True, check=False).returncode

    def test_red_until_green_once_then_alive_is_enough(self) -> None:
        with fake_s3() as server:
            codes = []
            for server.status in (503, 200, 200, 500):
                codes.append(self.run_with(server.port))
            asked = [request.path for request in server.requests]
        self.assertEqual(codes, [1, 0, 0, 1])
        self.assertEqual(asked, ["/healthz", "/healthz", "/livez", "/livez"])

    def test_no_answer_is_always_red(self) -> None:
        self.proven.touch()
        with fake_s3() as server:
            port = server.port
        self.assertEqual(self.run_with(port), 1)
