from tempfile import mkdtemp

from django.conf import settings
from django.conf.urls.static import static
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import SimpleTestCase, override_settings
from django.urls import path
from django_storage_url import get_storage

from cloud import uploads

from .fake_s3 import fake_s3

FOLDER = mkdtemp()
SCRIPT = "<script>document.title = document.cookie</script>"
ACTIVE = {
    "page.html": SCRIPT,
    "page.HTM": SCRIPT,
    "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>',
    "feed.xml": f'<x xmlns="http://www.w3.org/1999/xhtml">{SCRIPT}</x>',
    "page.xhtml": SCRIPT,
    "without a name's end": SCRIPT,
}
PASSIVE = {"words.txt": SCRIPT, "picture.png": SCRIPT, "paper.pdf": SCRIPT, "film.mp4": SCRIPT}


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(SCRIPT)


urlpatterns = [path("page", page), *static("/media/", document_root=FOLDER)]
if not urlpatterns[1:]:
    # `static` gives nothing while DEBUG is off, as in the cloud.
    from django.views.static import serve

    urlpatterns.append(path("media/<path:path>", serve, {"document_root": FOLDER}))


@override_settings(ROOT_URLCONF=__name__, MEDIA_URL="/media/")
class ServedByTheSite(SimpleTestCase):
    def get(self, name: str, content: str) -> HttpResponse:
        stored = FileSystemStorage(FOLDER, "/media/").save(name, ContentFile(content.encode()))
        response = self.client.get(f"/media/{stored}")
        self.assertEqual(b"".join(response.streaming_content).decode(), content)
        self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")
        return response

    def test_the_middleware_is_there_without_being_named(self) -> None:
        self.assertIn(uploads.MIDDLEWARE, settings.MIDDLEWARE)

    def test_what_could_run_scripts_is_handed_over_and_sandboxed(self) -> None:
        for name, content in ACTIVE.items():
            with self.subTest(name):
                headers = self.get(name, content).headers
                self.assertTrue(headers["Content-Disposition"].startswith("attachment"))
                self.assertTrue(headers["Content-Security-Policy"].startswith("sandbox;"))

    def test_what_is_only_shown_is_shown(self) -> None:
        for name, content in PASSIVE.items():
            with self.subTest(name):
                headers = self.get(name, content).headers
                self.assertNotIn("attachment", headers.get("Content-Disposition", ""))
                self.assertNotIn("html", headers["Content-Type"])

    def test_pages_of_the_site_stay_as_they_are(self) -> None:
        with override_settings(MEDIA_URL=""):
            self.assertNotIn("Content-Disposition", self.client.get("/page").headers)
        self.assertNotIn("Content-Security-Policy", self.client.get("/page").headers)


class StoredInABucket(SimpleTestCase):
    def test_type_and_disposition_are_stored_with_the_file(self) -> None:
        with fake_s3() as server:
            for name, content in (ACTIVE | PASSIVE).items():
                # What the browser says of the file counts for nothing.
                file = SimpleUploadedFile(name, content.encode(), content_type="text/html")
                server.storage().save(name, file)
                headers = server.requests[-1].headers
                with self.subTest(name):
                    wanted = "attachment" if name in ACTIVE else None
                    self.assertEqual(headers["Content-Disposition"], wanted)
                    is_page = headers["Content-Type"] == "text/html"
                    self.assertEqual(is_page, name.lower().endswith((".html", ".htm")))

    def test_azure_stores_the_same(self) -> None:
        storage = get_storage("az://account:a2V5@blob.core.windows.net/media/")
        for name, content in (ACTIVE | PASSIVE).items():
            file = SimpleUploadedFile(name, content.encode(), content_type="text/html")
            found = storage._get_content_settings_parameters(name, file)
            with self.subTest(name):
                wanted = "attachment" if name in ACTIVE else None
                self.assertEqual(found.get("content_disposition"), wanted)
                is_page = found["content_type"] == "text/html"
                self.assertEqual(is_page, name.lower().endswith((".html", ".htm")))
