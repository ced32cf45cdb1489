"""System checks: what would lose files or show secrets is an error before it happens."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django_storage_url import get_storage

from . import dsn
from . import settings as environment
from .masking import secret_key

BACKENDS = {
    "django_storage_url.dsn_configured_storage",
    "django_storage_url.base.dsn_configured_storage",
}
# What Django's own check of the key asks for, and it only where --deploy is given.
LONG_ENOUGH, DIFFERENT = 50, 5
WHITENOISE = "whitenoise."
# What tells one database from another.
PLACE = ("ENGINE", "HOST", "PORT", "NAME", "USER")
OPTIONS = {"setting_name": "DEFAULT_STORAGE_DSN"}
HOW = (
    'use STORAGES["default"] = {"BACKEND": "django_storage_url.dsn_configured_storage", '
    '"OPTIONS": {"setting_name": "DEFAULT_STORAGE_DSN"}}'
)


def check_dsn(**_: Any) -> list[CheckMessage]:
    """Report a DSN that is missing or cannot be used."""
    if not getattr(settings, "DEFAULT_STORAGE_DSN", ""):
        hint = "set it in the env file, e.g. file:///data/media/?url=%2Fmedia%2F"
        return [Error("DEFAULT_STORAGE_DSN is missing.", hint=hint, id="cloud.E001")]
    problem = _problem(settings.DEFAULT_STORAGE_DSN)
    if not problem:
        return []
    hint = "run 'invoke provision' to generate it anew"
    return [Error(f"DEFAULT_STORAGE_DSN: {problem}.", hint=hint, id="cloud.E002")]


def _problem(text: str) -> str | None:
    """Return what is wrong with a DSN, without quoting it."""
    try:
        get_storage(str(dsn.parse(text)))
    except ImproperlyConfigured as error:
        return str(error)
    except KeyError:
        return "its scheme is none of s3, az and file"
    except Exception as error:
        return f"the storage cannot be made from it ({type(error).__name__})"
    return None


def check_default_storage(**_: Any) -> list[CheckMessage]:
    """Report a default storage that is not the DSN's: files would be lost with the container."""
    default = settings.STORAGES.get("default", {})
    if default.get("BACKEND") in BACKENDS and default.get("OPTIONS") == OPTIONS:
        return []
    message = "The default storage is not the one that DEFAULT_STORAGE_DSN names."
    return [Error(message, hint=HOW, id="cloud.E003")]


def check_no_default_file_storage(**_: Any) -> list[CheckMessage]:
    """Report the tutorial's setting, which Django ignores without a word since 5.1."""
    if not hasattr(settings, "DEFAULT_FILE_STORAGE"):
        return []
    message = "DEFAULT_FILE_STORAGE is set, and Django ignores it."
    return [Error(message, hint=f"remove it and {HOW}", id="cloud.E004")]


def check_debug(**_: Any) -> list[CheckMessage]:
    """Report DEBUG in the cloud; on the developer's own machine only warn."""
    scheme = getattr(settings, "DEFAULT_STORAGE_DSN", "").partition("://")[0]
    if not settings.DEBUG or scheme not in dsn.CLOUD_SCHEMES:
        return []
    message = "DEBUG is on while DEFAULT_STORAGE_DSN names a storage in the cloud."
    if getattr(settings, "STAGE", "local") == "local":
        hint = "files uploaded here are the cloud environment's files"
        return [Warning(message, hint=hint, id="cloud.W001")]
    return [Error(message, hint="set DEBUG=False in the env file", id="cloud.E005")]


def check_secret_key(**_: Any) -> list[CheckMessage]:
    """Report a SECRET_KEY that can be guessed: with it sessions and password links are forged."""
    if not _in_the_cloud():
        return []
    key = secret_key()
    strong = len(key) >= LONG_ENOUGH and len(set(key)) >= DIFFERENT
    if strong and not key.startswith("django-insecure-"):
        return []
    hint = "remove SECRET_KEY from the env file and run 'invoke provision', which makes one"
    return [Error("SECRET_KEY is weak.", hint=hint, id="cloud.E006")]


def check_allowed_hosts(**_: Any) -> list[CheckMessage]:
    """Report ALLOWED_HOSTS that let nobody in, or everybody's host names."""
    if not _in_the_cloud() or (settings.ALLOWED_HOSTS and "*" not in settings.ALLOWED_HOSTS):
        return []
    what = "accepts any host name" if settings.ALLOWED_HOSTS else "is empty"
    hint = "set DOMAIN and DOMAIN_ALIASES in the env file; cloud.settings takes them from there"
    return [Error(f"ALLOWED_HOSTS {what}.", hint=hint, id="cloud.E007")]


def check_media_origin(**_: Any) -> list[CheckMessage]:
    """Warn of uploads that a storage serves under the site's own name, as if the site had."""
    host = urlsplit(settings.MEDIA_URL).hostname
    if not host or host not in settings.ALLOWED_HOSTS:
        return []
    hint = "set storage.domain in env/<name>.toml to a name of the files' own"
    message = "Uploaded files share the site's host name: a script in one could use its sessions."
    return [Warning(message, hint=hint, id="cloud.W002")]


def check_database(**_: Any) -> list[CheckMessage]:
    """Report a default database that is not DATABASE_URL's: it may lie in the container."""
    wanted = environment.DATABASES["default"]
    used = settings.DATABASES.get("default", {})
    if not wanted or all(used.get(name) == wanted.get(name) for name in PLACE):
        return []
    hint = "put 'from cloud.settings import *' below whatever else sets DATABASES"
    message = "The default database is not the one that DATABASE_URL names."
    return [Error(message, hint=hint, id="cloud.E008")]


def check_static_files(**_: Any) -> list[CheckMessage]:
    """Warn where WhiteNoise keeps the static files, and nothing serves them."""
    backend = settings.STORAGES.get("staticfiles", {}).get("BACKEND", "")
    if not backend.startswith(WHITENOISE) or any(
        name.startswith(WHITENOISE) for name in settings.MIDDLEWARE
    ):
        return []
    hint = 'add "whitenoise.middleware.WhiteNoiseMiddleware" below SecurityMiddleware'
    return [Warning("MIDDLEWARE lacks WhiteNoise's: no static file is served.", hint=hint,
                    id="cloud.W003")]  # fmt: skip


def _in_the_cloud() -> bool:
    return getattr(settings, "STAGE", "local") != "local"


ALL = [
    check_dsn,
    check_default_storage,
    check_no_default_file_storage,
    check_debug,
    check_secret_key,
    check_allowed_hosts,
    check_media_origin,
    check_database,
    check_static_files,
]
