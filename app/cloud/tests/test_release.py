import json
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.test import TransactionTestCase

from cloud import dates, migrations_plan


def release(*words: str) -> str:
    out = StringIO()
    call_command("release", *words, stdout=out, stderr=out)
    return out.getvalue()


class Release(TransactionTestCase):
    def tearDown(self) -> None:
        MigrationRecorder(connection).record_applied("uploader", "0001_initial")
        MigrationRecorder(connection).record_unapplied("uploader", "9999_newer")

    def said(self, *words: str) -> dict:
        line = next(x for x in release(*words).splitlines() if x.startswith("release: "))
        return json.loads(line.removeprefix("release: "))

    def test_what_is_pending_is_named(self) -> None:
        self.assertEqual(self.said("--plan"), {"pending": []})
        MigrationRecorder(connection).record_unapplied("uploader", "0001_initial")
        self.assertEqual(self.said("--plan")["pending"][0]["name"], "uploader.0001_initial")

    def test_what_this_code_does_not_know_is_named(self) -> None:
        self.assertEqual(self.said("--unknown"), {"unknown": []})
        MigrationRecorder(connection).record_applied("uploader", "9999_newer")
        self.assertEqual(self.said("--unknown"), {"unknown": ["uploader.9999_newer"]})

    def test_further_commands_run_after_the_migrations(self) -> None:
        said = release("--run", "showmigrations uploader --plan")
        self.assertLess(said.index("No migrations to apply"), said.index("manage.py showmig"))
        self.assertIn("[X]  uploader.0001_initial", said)

    def test_a_database_that_cannot_be_reached_is_one_line(self) -> None:
        lost = OperationalError("failed to resolve host 'db'\n  again")
        failing = patch.object(type(connections["default"]), "ensure_connection", side_effect=lost)
        said = "cannot be reached: failed .* 'db' again$"
        with failing, self.assertRaisesRegex(CommandError, said):
            release("--plan")

    def test_a_failing_command_fails_the_release(self) -> None:
        with self.assertRaises(CommandError):
            release("--run", "nonsense")

    def test_an_operation_that_the_running_code_cannot_live_with_is_marked(self) -> None:
        loader = MigrationExecutor(connection).loader
        drop = migrations.Migration("9998_drop", "uploader")
        drop.dependencies = [("uploader", "0001_initial")]
        drop.operations = [migrations.DeleteModel("UploadedFile")]
        loader.graph.add_node(("uploader", "9998_drop"), drop)
        loader.graph.add_dependency(drop, ("uploader", "9998_drop"), ("uploader", "0001_initial"))
        self.assertEqual(
            list(migrations_plan._unsafe(loader, drop)),
            ["DROPPING table (Delete model UploadedFile)"],
        )

    def test_only_what_is_not_atomic_may_be_half_done(self) -> None:
        self.assertEqual(migrations_plan.half_done(connection), "")
        MigrationRecorder(connection).record_unapplied("uploader", "0001_initial")
        self.assertEqual(migrations_plan.half_done(connection), "")
        with patch.object(migrations.Migration, "atomic", False):
            self.assertEqual(migrations_plan.half_done(connection), "uploader.0001_initial")


class Dates(TransactionTestCase):
    def test_the_same_content_has_the_same_date_and_another_another(self) -> None:
        with TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("a", "b", "c")]
            for path, content in zip(files, ("x", "x", "y"), strict=True):
                path.write_text(content)
            dates.date_by_content(Path(folder))
            first, second, third = (path.stat().st_mtime for path in files)
        self.assertEqual(first, second)
        self.assertNotEqual(first, third)
        self.assertGreaterEqual(min(first, third), dates.BEGIN)
