from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import models
from django.test import SimpleTestCase
from django.utils.functional import empty

from cloud.management.commands.cloud_files import is_default


class Default(SimpleTestCase):
    def field(self, storage: object) -> models.FileField:
        return models.FileField(storage=storage)

    def test_is_found_however_a_field_names_it(self) -> None:
        # As in a command, before anything has used the default storage.
        default_storage._wrapped = empty
        self.assertTrue(is_default(self.field(lambda: storages["default"])))
        self.assertTrue(is_default(self.field(None)))
        self.assertTrue(is_default(self.field(lambda: default_storage)))

    def test_is_not_found_where_a_field_has_another(self) -> None:
        self.assertFalse(is_default(self.field(FileSystemStorage("/elsewhere"))))
