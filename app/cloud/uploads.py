"""Keep uploaded files from acting as pages of the site: a script in one would run as its reader.

Where the site serves them itself (`file:`), the middleware adds the headers. A bucket is an
origin of its own, where a script finds no session; there the disposition is stored with the file.
"""

import mimetypes
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

MIDDLEWARE = "cloud.uploads.UploadsMiddleware"
# What a browser only shows. Everything else (HTML, SVG, XML, unknown) is handed over as a file.
SHOWN = {"text/plain", "application/pdf"}
SHOWN_KINDS = {"image", "audio", "video"}
ACTIVE_IMAGES = {"image/svg+xml"}
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"


def is_shown(content_type: str) -> bool:
    """Return whether a browser may show files of this type in its own window."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind not in ACTIVE_IMAGES and (kind in SHOWN or kind.partition("/")[0] in SHOWN_KINDS)


def stored_headers(name: str) -> dict[str, str]:
    """Return what a storage keeps with a file: ContentType and, unless it is shown, disposition.

    The type is the name's. The one that a browser sent along is its user's to choose.
    """
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    found = {"ContentType": content_type}
    return found if is_shown(content_type) else {**found, "ContentDisposition": "attachment"}


class UploadsMiddleware:
    """Add to what is served below MEDIA_URL the headers that keep it from running scripts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _is_upload(request.path):
            _protect(response)
        return response


def _is_upload(path: str) -> bool:
    # Without a DSN Django makes "/" of an empty MEDIA_URL.
    below = settings.MEDIA_URL
    return below.startswith("/") and below != "/" and path.startswith(below)


def _protect(response: HttpResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
    if not is_shown(response.headers.get("Content-Type", "")):
        response.headers["Content-Disposition"] = "attachment"
        response.headers["Content-Security-Policy"] = SANDBOX
