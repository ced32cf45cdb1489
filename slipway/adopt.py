"""Judge whether the Django project in app/ can live here: docs/adopt.md, point by point."""

import re
from collections.abc import Iterator
from pathlib import Path

from slipway import adopt_settings
from slipway.findings import Finding

GROUP = "app"
PAGE = "see docs/adopt.md"
# What app/cloud imports, and what serves the site.
PACKAGES = (
    "boto3", "dj-database-url", "django", "django-storage-url", "django-storages", "gunicorn",
    "psycopg", "python-dotenv", "whitenoise",
)  # fmt: skip
USER = re.compile(r"^USER\s+1000\b", re.MULTILINE)
HEALTH = re.compile(r"^HEALTHCHECK\b(?!\s+NONE)", re.MULTILINE)
SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)[\"']")
SERVED = re.compile(r"\b([a-zA-Z_][\w.]*):[a-zA-Z_]\w*[\"'\s]")
COPIED = re.compile(r"^COPY +((?:[\w.][\w./-]* +)+)\S+$", re.MULTILINE)
STARTED = re.compile(r"^CMD +\[\"\./([\w./-]+)\"", re.MULTILINE)
INGREDIENT = re.compile(r"^[\s\"']*([A-Za-z0-9._-]+)", re.MULTILINE)


def look(root: Path) -> Iterator[Finding]:
    """Yield a finding for each point of docs/adopt.md; reads files only, and imports none."""
    app = root / "app"
    yield from _dockerfile(app)
    yield from _server(app)
    yield from _packages(app)
    if not (app / "cloud" / "settings.py").is_file():
        yield _bad("cloud", "app/cloud is missing", "take it from this repository's first commit")
    yield from _settings(app)


def _dockerfile(app: Path) -> Iterator[Finding]:
    text = _text(app / "Dockerfile")
    if not text:
        yield _bad("Dockerfile", "app/Dockerfile is missing")
        return
    wrong = list(_mistakes(app, text))
    yield from wrong
    if not wrong:
        yield Finding(GROUP, "Dockerfile", "ok", "runs as user 1000, with a health check")
    if not (app / ".dockerignore").is_file():
        hint = "write one, or secrets and media may enter the image"
        yield Finding(GROUP, "Dockerfile", "warn", "app/.dockerignore is missing", hint)


def _mistakes(app: Path, dockerfile: str) -> Iterator[Finding]:
    if not USER.search(dockerfile):
        yield _bad("Dockerfile", "does not end as user 1000, to whom env file and /data belong")
    if not HEALTH.search(dockerfile):
        yield _bad("Dockerfile", "has no HEALTHCHECK, so no release would ever be healthy")
    if absent := [name for name in _wanted(dockerfile) if not (app / name).exists()]:
        hint = "take them from this repository's first commit, or change the Dockerfile"
        yield _bad("Dockerfile", f"wants {', '.join(absent)}, not in app/", hint)


def _wanted(dockerfile: str) -> list[str]:
    """Return the files of app/ without which the image is not built or does not start."""
    copied = [name for names in COPIED.findall(dockerfile) for name in names.split()]
    return list(dict.fromkeys([*copied, *STARTED.findall(dockerfile)]))


def _server(app: Path) -> Iterator[Finding]:
    files = ("gunicorn.conf.py", "serve.sh", "Dockerfile")
    named = [name for file in files for name in SERVED.findall(_text(app / file))]
    modules = [name for name in named if name.endswith("sgi") or "sgi." in name]
    there = [
        name for name in modules if app.joinpath(*name.split(".")).with_suffix(".py").is_file()
    ]
    if there:
        yield Finding(GROUP, "server", "ok", f"serves {there[0]}")
    else:
        what = f"{modules[0]} is not in app/" if modules else "no file names a WSGI or ASGI module"
        yield _bad("server", what, "set wsgi_app in app/gunicorn.conf.py")


def _packages(app: Path) -> Iterator[Finding]:
    files = [*app.glob("requirements*.txt"), *app.glob("*.lock"), app / "pyproject.toml"]
    said = {_plain(name) for file in files for name in INGREDIENT.findall(_text(file))}
    lacking = [name for name in PACKAGES if name not in said]
    if lacking:
        yield _bad("packages", f"lacks {', '.join(lacking)}", "add them to app/'s requirements")
    else:
        yield Finding(GROUP, "packages", "ok", "what app/cloud and the server need is there")


def _settings(app: Path) -> Iterator[Finding]:
    named = SETTINGS.search(_text(app / "manage.py"))
    files = adopt_settings.files(app, named[1]) if named else []
    if not files:
        yield _bad("settings", "manage.py names no settings module that is in app/")
        return
    where = files[0].relative_to(app).as_posix()
    later = adopt_settings.set_later(app, files[0])
    words = adopt_settings.words(files)
    if later is None:
        yield _bad("settings", f"{where} lacks 'from cloud.settings import *'")
    if not any(word == "cloud" or word.startswith("cloud.apps.") for word in words):
        yield _bad("settings", f'{where} lacks "cloud" in INSTALLED_APPS')
    # An own Dockerfile may keep them elsewhere; without one, the one that is here is taken.
    dockerfile = _text(app / "Dockerfile") or "STATIC_ROOT"
    if "STATIC_ROOT" in dockerfile and "STATIC_ROOT" not in words:
        hint = 'STATIC_ROOT = os.environ.get("STATIC_ROOT", BASE_DIR / "staticfiles")'
        yield _bad("settings", f"{where} does not take STATIC_ROOT from the image", hint)
    if later:
        hint = "remove them there, or move the import below; env/<name>.env holds their values"
        yield _bad("settings", f"{', '.join(later)} set after the import of cloud.settings", hint)
    elif later is not None:
        yield Finding(GROUP, "settings", "ok", f"{where} takes the environment's settings")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _bad(name: str, what: str, hint: str = "") -> Finding:
    return Finding(GROUP, name, "fail", what, f"{hint}; {PAGE}" if hint else PAGE)
