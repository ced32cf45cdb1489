"""Hide secrets on error pages, in error mails and in logs."""

import html
import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

MASK = "***"
# Shorter ones, such as a development password, are also ordinary words.
SHORTEST_SECRET = 8
CREDENTIALS_IN_URL = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#@'\"<>]*:[^\s/?#@'\"<>]*@", re.I)
SECRET_NAME = re.compile(r"SECRET|PASSW|TOKEN|CREDENTIAL|ACCESS_KEY|DSN|DATABASE_URL", re.I)


def mask(text: str) -> str:
    """Return the text without the credentials of URLs and without the settings' secrets."""
    passwords = [str(database.get("PASSWORD", "")) for database in settings.DATABASES.values()]
    for secret in _literals(getattr(settings, "DEFAULT_STORAGE_DSN", ""), secret_key(), *passwords):
        text = text.replace(secret, MASK)
    return CREDENTIALS_IN_URL.sub(rf"\1{MASK}@", text)


def secret_key() -> str:
    """Return SECRET_KEY, or nothing where there is none."""
    try:
        return str(settings.SECRET_KEY)
    except ImproperlyConfigured:
        # While the image is built there is none.
        return ""


@lru_cache(maxsize=4)
def _literals(url: str, *secrets: str) -> list[str]:
    """Return every spelling of every secret, the longest first."""
    plain = {*secrets, *_parts(url)}
    spellings = plain | {html.escape(secret) for secret in plain}
    return sorted((s for s in spellings if len(s) >= SHORTEST_SECRET), key=len, reverse=True)


def _parts(url: str) -> Iterator[str]:
    """Yield the password of a URL, as written and unquoted, however badly the URL is formed."""
    credentials = url.partition("://")[2].rpartition("@")[0]
    password = credentials.partition(":")[2]
    yield from (password, unquote(password))


class MaskingReporterFilter(SafeExceptionReporterFilter):
    """Hide secrets among settings, request headers, cookies and local variables."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|{SECRET_NAME.pattern}", re.I
    )

    def cleanse_setting(self, key: str, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return mask(cleansed) if isinstance(cleansed, str) else cleansed

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, MASK if SECRET_NAME.search(name) else value) for name, value in variables]


class MaskingReporter(ExceptionReporter):
    """Hide secrets in whatever else the page shows: messages, values of variables, notes."""

    def get_traceback_html(self) -> str:
        return mask(super().get_traceback_html())

    def get_traceback_text(self) -> str:
        return mask(super().get_traceback_text())


class MaskingFilter(logging.Filter):
    """Hide secrets in log records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            record.msg = mask(record.getMessage())
        except (TypeError, ValueError):
            # A wrong format string is the handler's to report, as ever.
            return True
        record.args = None
        if record.exc_info:
            record.exc_text = mask(logging.Formatter().formatException(record.exc_info))
        return True
