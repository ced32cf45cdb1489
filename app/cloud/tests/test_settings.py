import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from django.test import SimpleTestCase

PROJECT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "STAGE": "live",
    "SITE_URL": "https://example.com",
    "DOMAIN": "example.com",
    "DOMAIN_ALIASES": "www.example.com, example.org",
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "postgres://user:pa%2Fss@db:5432/name",
    "DEFAULT_STORAGE_DSN": "s3://K:S@b.s3.eu-west-1.amazonaws.com/pre/?auth=s3v4",
}
SHOW = "import json, cloud.settings as s; print(json.dumps({n: getattr(s, n) for n in s.__all__}))"


def run(*argv: str, cwd: Path = PROJECT, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "STATIC_ROOT") if name in os.environ}
    environment = {**kept, "ENV_FILE": "", "PYTHONPATH": str(PROJECT), **variables}
    return subprocess.run(
        [sys.executable, "-B", *argv], env=environment, cwd=cwd, capture_output=True, text=True
    )


class Settings(SimpleTestCase):
    def settings_of(self, **variables: str) -> dict:
        done = run("-c", SHOW, **variables)
        self.assertEqual(done.stderr, "")
        return json.loads(done.stdout)

    def test_import_without_any_variable(self) -> None:
        found = self.settings_of()
        self.assertEqual((found["DEBUG"], found["SECRET_KEY"]), (False, ""))
        self.assertEqual((found["ALLOWED_HOSTS"], found["DATABASES"]), ([], {"default": {}}))

    def test_https_site(self) -> None:
        found = self.settings_of(**PRODUCTION)
        self.assertEqual(found["ALLOWED_HOSTS"], ["example.com", "www.example.com", "example.org"])
        origins = ["https://example.com", "https://www.example.com", "https://example.org"]
        self.assertEqual(found["CSRF_TRUSTED_ORIGINS"], origins)
        self.assertTrue(found["SESSION_COOKIE_SECURE"] and found["CSRF_COOKIE_SECURE"])
        self.assertGreater(found["SECURE_HSTS_SECONDS"], 0)
        self.assertEqual(found["SECURE_PROXY_SSL_HEADER"], ["HTTP_X_FORWARDED_PROTO", "https"])
        self.assertEqual(found["DATABASES"]["default"]["PASSWORD"], "pa/ss")
        self.assertEqual(found["MEDIA_URL"], "https://b.s3.eu-west-1.amazonaws.com/pre/")
        self.assertEqual(found["MEDIA_ROOT"], "")

    def test_plain_http_site_on_a_port(self) -> None:
        found = self.settings_of(SITE_URL="http://test.localhost:8080", DOMAIN="test.localhost")
        self.assertEqual(found["CSRF_TRUSTED_ORIGINS"], ["http://test.localhost:8080"])
        self.assertFalse(found["SESSION_COOKIE_SECURE"] or found["SECURE_SSL_REDIRECT"])
        self.assertIsNone(found["SECURE_PROXY_SSL_HEADER"])

    def test_uploads_wait_on_the_disk_where_there_is_one(self) -> None:
        found = self.settings_of()["FILE_UPLOAD_TEMP_DIR"]
        disk = os.access("/data", os.W_OK)
        self.assertEqual(found, "/data/.uploads" if disk else None)

    def test_local_folder(self) -> None:
        dsn = "file:///data/media/?url=%2Fmedia%2F"
        found = self.settings_of(DEFAULT_STORAGE_DSN=dsn, DEBUG="True")
        self.assertEqual((found["MEDIA_ROOT"], found["MEDIA_URL"]), ("/data/media/", "/media/"))
        self.assertIn("localhost", found["ALLOWED_HOSTS"])

    def test_env_file_is_read_literally_and_real_variables_win(self) -> None:
        file = Path(mkdtemp(), "env")
        file.write_text("SECRET_KEY='a$b${HOME}\\'c'\nSTAGE=test\n")
        found = self.settings_of(ENV_FILE=str(file), STAGE="live")
        self.assertEqual((found["SECRET_KEY"], found["STAGE"]), ("a$b${HOME}'c", "live"))

    def test_unreadable_urls_do_not_show_their_secrets(self) -> None:
        for password in ("xyz/zyx", "xyz[zyx"):
            done = run("-c", SHOW, DATABASE_URL=f"postgres://user:{password}@db:5432/name")
            self.assertIn("DATABASE_URL cannot be read", done.stderr)
            self.assertNotIn("xyz", done.stderr)
        self.settings_of(DEFAULT_STORAGE_DSN="s3://key:se/cret@b.s3.example/")


class Commands(SimpleTestCase):
    def test_deployment_check_is_clean(self) -> None:
        done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no issues", done.stdout)

    def test_static_files_are_collected_without_any_variable(self) -> None:
        done = run("manage.py", "collectstatic", "--noinput", STATIC_ROOT=mkdtemp())
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_migrations_are_complete(self) -> None:
        variables = {**PRODUCTION, "DATABASE_URL": "sqlite://:memory:"}
        done = run("manage.py", "makemigrations", "--check", "--dry-run", **variables)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_one_import_and_one_entry_are_enough_for_another_project(self) -> None:
        folder = Path(mkdtemp())
        (folder / "other.py").write_text(
            "from cloud.settings import *\nINSTALLED_APPS = ['cloud']\n"
            "MIDDLEWARE = []\nROOT_URLCONF = 'other'\nurlpatterns = []\n"
        )
        code = (
            "import django; django.setup()\n"
            "from django.core.files.storage import default_storage\n"
            "from django.core.management import call_command\n"
            "from django.test import Client\n"
            "call_command('check')\n"
            "print(default_storage.__class__, Client().get('/healthz').json()['database'])"
        )
        variables = {"PYTHONPATH": f"{PROJECT}:{folder}", "DJANGO_SETTINGS_MODULE": "other"}
        dsn = "s3://K:S@b.localhost/?endpoint=http%3A%2F%2Flocalhost%3A1"
        variables |= PRODUCTION | {"DATABASE_URL": "sqlite://:memory:", "DEFAULT_STORAGE_DSN": dsn}
        done = run("-c", code, **variables)
        self.assertTrue(done.stdout.endswith("<class 'cloud.storage.S3Storage'> ok\n"), done)
