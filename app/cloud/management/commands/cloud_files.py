"""Name every file that a row of the database names, a line of JSON each."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.files.storage import default_storage, storages
from django.core.management import BaseCommand
from django.db import models, router

ROWS_AT_ONCE = 2000


class Command(BaseCommand):
    """Write `{"field": …, "row": …, "name": …}` for each file, and a line of counts at the end."""

    help = "name every file that a row names, in JSON lines"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fields", action="store_true", help="only list the fields")

    def handle(self, *_: object, **options: Any) -> None:
        rows, elsewhere = 0, []
        for model, field in file_fields():
            label = f"{model._meta.label}.{field.name}"
            if not is_default(field):
                elsewhere.append(label)
            elif options["fields"]:
                self.stdout.write(json.dumps({"field": label}))
            else:
                for row, name in named(model, field):
                    self.stdout.write(json.dumps({"field": label, "row": str(row), "name": name}))
                    rows += 1
        self.stdout.write(json.dumps({"rows": rows, "elsewhere": elsewhere}))


def file_fields() -> Iterator[tuple[type[models.Model], models.FileField]]:
    """Yield every field for files or images, each once, with the model whose table holds it."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed or model._meta.swapped:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.FileField):
                yield model, field


def is_default(field: models.FileField) -> bool:
    """Tell whether the files of a field lie in the storage of DEFAULT_STORAGE_DSN."""
    return field.storage is default_storage or field.storage == storages["default"]


def named(model: type[models.Model], field: models.FileField) -> Iterator[tuple[Any, str]]:
    """Yield key and name of every row that names a file, hidden rows too."""
    rows = model._base_manager.using(router.db_for_read(model)).order_by("pk")
    filled = rows.exclude(**{field.name: ""}).exclude(**{field.name: None})
    yield from filled.values_list("pk", field.attname).iterator(chunk_size=ROWS_AT_ONCE)
