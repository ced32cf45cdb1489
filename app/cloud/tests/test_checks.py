from unittest.mock import patch

from django.conf import settings
from django.core.checks import run_checks
from django.test import SimpleTestCase, override_settings

CLOUD = "s3://KEY:SECRET@b.s3.eu-west-1.amazonaws.com/?auth=s3v4"


class Checks(SimpleTestCase):
    def ids(self, **changed: object) -> list[str]:
        with override_settings(**changed):
            found = [message for message in run_checks() if str(message.id).startswith("cloud.")]
        shown = str([(m.msg, m.hint) for m in found]).replace("SECRET_KEY", "")
        self.assertNotIn("SECRET", shown)
        self.assertTrue(all(message.hint for message in found))
        return [message.id for message in found]

    def test_nothing_to_report(self) -> None:
        self.assertEqual(self.ids(), [])
        self.assertEqual(self.ids(DEFAULT_STORAGE_DSN=CLOUD), [])

    def test_missing_dsn(self) -> None:
        self.assertEqual(self.ids(DEFAULT_STORAGE_DSN=""), ["cloud.E001"])

    def test_unreadable_dsn(self) -> None:
        for dsn in (
            "s3://KEY:SEC/SECRET@b.s3.eu-west-1.amazonaws.com/",
            "gs://KEY:SECRET@bucket/",
            "just-words-SECRET",
            "s3://KEY:SECRET@other/?endpoint=http%3A%2F%2Fs3.example",
            "s3://KEY:SECRET@nodots/",
        ):
            with self.subTest(dsn):
                self.assertEqual(self.ids(DEFAULT_STORAGE_DSN=dsn), ["cloud.E002"])

    def test_default_storage_is_another(self) -> None:
        plain = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
        other = {**settings.STORAGES["default"], "OPTIONS": {"setting_name": "OTHER_DSN"}}
        for default in (plain, other, None):
            storages = {k: v for k, v in settings.STORAGES.items() if k != "default"}
            if default:
                storages["default"] = default
            with self.subTest(default):
                self.assertEqual(self.ids(STORAGES=storages), ["cloud.E003"])

    def test_default_file_storage_is_set(self) -> None:
        self.assertEqual(self.ids(DEFAULT_FILE_STORAGE="x.Y"), ["cloud.E004"])

    def test_debug_in_the_cloud_is_an_error_and_at_home_a_warning(self) -> None:
        debug = {"DEBUG": True, "DEFAULT_STORAGE_DSN": CLOUD}
        self.assertEqual(self.ids(**debug, STAGE="live"), ["cloud.E005"])
        self.assertEqual(self.ids(**debug, STAGE="local"), ["cloud.W001"])
        self.assertEqual(self.ids(DEBUG=True), [])

    def test_weak_secret_key_in_the_cloud(self) -> None:
        for key in ("", "x" * 60, "short-Abc0123", f"django-insecure-{settings.SECRET_KEY}"):
            with self.subTest(key):
                self.assertEqual(self.ids(SECRET_KEY=key), ["cloud.E006"])
                self.assertEqual(self.ids(SECRET_KEY=key, STAGE="local"), [])

    def test_allowed_hosts_in_the_cloud(self) -> None:
        for hosts in ([], ["*"], ["example.com", "*"]):
            with self.subTest(hosts):
                self.assertEqual(self.ids(ALLOWED_HOSTS=hosts), ["cloud.E007"])
                self.assertEqual(self.ids(ALLOWED_HOSTS=hosts, STAGE="local"), [])

    def test_uploads_under_the_sites_own_name(self) -> None:
        hosts = {"ALLOWED_HOSTS": ["example.com", "www.example.com"]}
        shared = self.ids(MEDIA_URL="https://www.example.com/files/", **hosts)
        self.assertEqual(shared, ["cloud.W002"])
        self.assertEqual(self.ids(MEDIA_URL="https://media.example.com/", **hosts), [])

    def test_another_database_than_the_environments(self) -> None:
        named = settings.DATABASES["default"]
        for change, ids in (
            ({}, []), ({"CONN_MAX_AGE": 1}, []), ({"NAME": "db.sqlite3"}, ["cloud.E008"]),
        ):  # fmt: skip
            wanted = {"default": {**named, **change}}
            with self.subTest(change), patch("cloud.settings.DATABASES", wanted):
                self.assertEqual(self.ids(), ids)

    def test_static_files_that_nothing_serves(self) -> None:
        others = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise")]
        self.assertEqual(self.ids(MIDDLEWARE=others), ["cloud.W003"])
        backend = "django.contrib.staticfiles.storage.StaticFilesStorage"
        elsewhere = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
        self.assertEqual(self.ids(MIDDLEWARE=others, STORAGES=elsewhere), [])
