"""Read as the public does, with patience for a storage that needs a moment (no key, no library)."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection

from slipway.errors import StorageError

PATIENCE = 20.0
REFUSED = {401, 403}
FOLDER = ".slipway-proof"

Get = Callable[[str], tuple[int, bytes]]


def get(url: str) -> tuple[int, bytes]:
    """Return status and body of what is at a URL; status 0 stands for no answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own URL
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, http.client.HTTPException):
        return 0, b""


def patiently(write: Callable[[], object], refusal: type[Exception]) -> None:
    """Write, and try again while a new key is not known everywhere, up to PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            write()
            return
        except refusal:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def read_back(url: str, body: bytes, get: Get = get) -> None:
    """Read what was just written, as the public does; raises StorageError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, found = get(url)
        if found == body:
            return
        if time.monotonic() > deadline:
            raise StorageError(
                "storage", f"a file that was just written cannot be read back ({status})",
                "check storage.public, storage.domain and the bucket's policy",
            )  # fmt: skip
        time.sleep(0.5)


def refused(url: str, what: str, refusals: Collection[int] = REFUSED, get: Get = get) -> None:
    """Try to read what the public may not; raises StorageError where it may."""
    deadline = time.monotonic() + PATIENCE
    while (status := get(url)[0]) not in refusals:
        if time.monotonic() > deadline:
            raise _not_refused(status, what)
        time.sleep(0.5)


def _not_refused(status: int, what: str) -> StorageError:
    if status == 200:
        return StorageError("storage", what, "remove other policies and ACLs of the bucket")
    said = f"answers {status}" if status else "does not answer"
    return StorageError(
        "storage", f"{said} where it should refuse the public", "check storage.endpoint and domain"
    )
