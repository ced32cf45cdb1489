"""Answer `/healthz`: 200 when database and storage can be used, else 503, and which cannot.

`/livez` only says that the server answers.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from botocore.exceptions import ClientError
from django.core.files.storage import Storage, default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

NOT_CACHED = {"Cache-Control": "no-store"}
MIDDLEWARE = "cloud.health.HealthMiddleware"
logger = logging.getLogger(__name__)


class HealthMiddleware:
    """Answer before any other middleware asks for a valid host or for https."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = ANSWERS.get(request.path_info)
        return answer() if answer else self.get_response(request)


def alive() -> JsonResponse:
    """Return that there is an answer."""
    return JsonResponse({"status": "ok"}, headers=NOT_CACHED)


def health() -> JsonResponse:
    """Return what works, as JSON without secrets."""
    parts = {"database": outcome(check_database), "storage": _storage_outcome()}
    healthy = set(parts.values()) == {"ok"}
    body = {"status": "ok" if healthy else "failing", **parts}
    return JsonResponse(body, status=200 if healthy else 503, headers=NOT_CACHED)


ANSWERS = {"/healthz": health, "/livez": alive}


def outcome(check: Callable[[], None]) -> str:
    """Return "ok", or the kind of the failure; its message stays in the log."""
    try:
        check()
    except ClientError as error:
        return _failed(check, error, str(error.response["Error"]["Code"]))
    except Exception as error:
        return _failed(check, error, type(error).__name__)
    return "ok"


def _failed(check: Callable[[], None], error: Exception, kind: str) -> str:
    logger.warning("%s: %s: %s", check.__name__, kind, error)
    return kind


def check_database() -> None:
    """Ask the database for one constant."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        connection.close()
        raise


def check_storage() -> None:
    """Ask the default storage for as little as shows that it can be used."""
    _check(default_storage)


def _check(storage: Storage) -> None:
    if hasattr(storage, "probe"):
        storage.probe()
    elif hasattr(storage, "location") and Path(storage.location).is_absolute():
        _check_folder(Path(storage.location))
    else:
        storage.exists(".health")


def _check_folder(folder: Path) -> None:
    """Raise PermissionError unless files can be written in the folder, or it can be created."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"{nearest} is not a folder that can be written")


class Remembered:
    """The outcome of a check, asked again only when it is old; a failure grows old sooner."""

    def __init__(self, check: Callable[[], None], seconds: float = 10, failed: float = 2) -> None:
        self._check, self._seconds, self._failed = check, seconds, failed
        self._lock = Lock()
        self._outcome, self._expires = "", 0.0

    def __call__(self) -> str:
        with self._lock:
            if time.monotonic() >= self._expires:
                self._outcome = outcome(self._check)
                keep = self._seconds if self._outcome == "ok" else self._failed
                self._expires = time.monotonic() + keep
            return self._outcome


_storage_outcome = Remembered(check_storage)
