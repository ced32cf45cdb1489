from pathlib import Path
from tempfile import mkdtemp
from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase, override_settings
from django.urls import reverse

from cloud.storage import S3Storage
from uploader.models import UploadedFile


class Index(TestCase):
    def test_invites_to_upload_the_first_file(self) -> None:
        self.assertContains(self.client.get("/"), reverse("admin:uploader_uploadedfile_add"))

    def test_lists_every_file_in_one_query(self) -> None:
        names = [f"folder {n % 7}/ñ {n}.png" for n in range(600)]
        UploadedFile.objects.bulk_create(UploadedFile(file=name) for name in names)
        with self.assertNumQueries(1), mock.patch.object(S3Storage, "exists") as exists:
            page = self.client.get("/").content.decode()
        exists.assert_not_called()
        self.assertEqual(page.count("data-pk="), 600)
        self.assertIn('href="/media/folder%203/%C3%B1%203.png" data-pk=', page)
        self.assertIn("600 files", page)

    def test_escapes_names(self) -> None:
        UploadedFile.objects.create(file='a/<b>"&.txt')
        page = self.client.get("/").content.decode()
        self.assertIn("&lt;b&gt;&quot;&amp;.txt", page)
        self.assertNotIn("<b>", page)


class Admin(TestCase):
    def setUp(self) -> None:
        user = get_user_model().objects.create_superuser("admin", password="x")
        self.client.force_login(user)

    def test_upload_is_stored_where_the_dsn_says(self) -> None:
        folder = mkdtemp()
        dsn = f"file://{folder}/?url=%2Fmedia%2F"
        upload = SimpleUploadedFile("été 1.txt", b"content")
        # Naming STORAGES, unchanged, makes Django build the storage anew.
        with override_settings(DEFAULT_STORAGE_DSN=dsn, STORAGES=settings.STORAGES):
            form = reverse("admin:uploader_uploadedfile_add")
            response = self.client.post(form, {"file": upload})
        self.assertEqual(response.status_code, 302)
        self.assertEqual(UploadedFile.objects.get().file.name, "été_1.txt")
        self.assertEqual(Path(folder, "été_1.txt").read_bytes(), b"content")
