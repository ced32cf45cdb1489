"""Settings from the environment's variables: `from cloud.settings import *`.

The image is built without any variable, so nothing here may demand one; the system checks do.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django_storage_url import register_storage_class

from . import dsn, env

__all__ = [
    "ALLOWED_HOSTS",
    "AWS_S3_FILE_OVERWRITE",
    "AZURE_OVERWRITE_FILES",
    "CSRF_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASES",
    "DEBUG",
    "DEFAULT_EXCEPTION_REPORTER",
    "DEFAULT_EXCEPTION_REPORTER_FILTER",
    "DEFAULT_STORAGE_DSN",
    "FILE_UPLOAD_TEMP_DIR",
    "LOGGING",
    "MEDIA_ROOT",
    "MEDIA_URL",
    "SECRET_KEY",
    "SECURE_HSTS_SECONDS",
    "SECURE_PROXY_SSL_HEADER",
    "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_SECURE",
    "SILENCED_SYSTEM_CHECKS",
    "SITE_URL",
    "STAGE",
    "STORAGES",
]

env.load_env_file()
register_storage_class("s3", "cloud.storage.S3Storage")
register_storage_class("az", "cloud.azure.AzureStorage")

STAGE = env.text("STAGE", "local")
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY")

# Addresses of the site

SITE_URL = env.text("SITE_URL")
_HOSTS = [host for host in [env.text("DOMAIN"), *env.words("DOMAIN_ALIASES")] if host]
ALLOWED_HOSTS = _HOSTS + (["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])


def _origins() -> list[str]:
    """Return where forms may be sent from: every host, with the site's scheme and port."""
    site = urlsplit(SITE_URL)
    port = f":{site.port}" if site.port else ""
    return [f"{site.scheme}://{host}{port}" for host in _HOSTS if site.scheme]


CSRF_TRUSTED_ORIGINS = _origins()

# TLS ends at the proxy, which says so in a header that no client can forge through it.

_SECURE = SITE_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _SECURE else None
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _SECURE
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if _SECURE else 0
# Subdomains and browsers' preload lists are the domain owner's to bind, not one site's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Database


def _databases() -> dict[str, dict]:
    url = env.text("DATABASE_URL")
    if not url:
        return {"default": {}}
    try:
        default = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        # The parser's own message may quote a part of the password.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read; write postgres://USER:PASSWORD@HOST:PORT/NAME "
            "with user and password quoted by urllib.parse.quote(…, safe='')"
        ) from None
    if default["ENGINE"] == "django.db.backends.postgresql":
        # As Django's own, but it goes on where push-db has switched databases meanwhile.
        default["ENGINE"] = "cloud.postgresql"
        default.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    return {"default": default}


DATABASES = _databases()

# Media and static files

DEFAULT_STORAGE_DSN = env.text("DEFAULT_STORAGE_DSN")
STORAGES = {
    "default": {
        "BACKEND": "django_storage_url.dsn_configured_storage",
        "OPTIONS": {"setting_name": "DEFAULT_STORAGE_DSN"},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Two uploads of one name are two files; the stock library lets the second replace the first.
AWS_S3_FILE_OVERWRITE = AZURE_OVERWRITE_FILES = False


def _media() -> tuple[str, str]:
    """Return MEDIA_URL and MEDIA_ROOT; a system check reports a broken DSN."""
    try:
        url = dsn.parse(DEFAULT_STORAGE_DSN)
        return dsn.media_url(url), str(url.path) if url.scheme == "file" else ""
    except ImproperlyConfigured:
        return "", ""


MEDIA_URL, MEDIA_ROOT = _media()


def _upload_folder() -> str | None:
    """Return where uploads wait: on the disk, for a container's /tmp is its memory."""
    folder = Path("/data/.uploads")
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


FILE_UPLOAD_TEMP_DIR = _upload_folder()

# Nothing that is shown or logged holds a secret

DEFAULT_EXCEPTION_REPORTER = "cloud.masking.MaskingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "cloud.masking.MaskingReporterFilter"
_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "masking": {"()": "cloud.masking.MaskingFilter"},
        "production": {"()": "django.utils.log.RequireDebugFalse"},
    },
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
            "filters": ["masking"],
        },
        "mail_admins": {
            "class": "django.utils.log.AdminEmailHandler",
            "level": "ERROR",
            "filters": ["production", "masking"],
        },
    },
    "root": {"handlers": ["console"], "level": _LEVEL},
    "loggers": {"django": {"handlers": ["mail_admins"], "level": _LEVEL}},
}
