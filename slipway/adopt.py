"""Judge whether the Django project in app/ can live here: docs/adopt.md, point by point."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from slipway.findings import Finding

GROUP = "app"
PAGE = "see docs/adopt.md"
# What app/cloud imports, and what serves the site.
PACKAGES = (
    "boto3", "dj-database-url", "django", "django-storage-url", "django-storages", "gunicorn",
    "psycopg", "python-dotenv", "whitenoise",
)  # fmt: skip
# Set after the import, these would no longer be the environment's.
OURS = {"ALLOWED_HOSTS", "DATABASES", "DEBUG", "MEDIA_ROOT", "MEDIA_URL", "SECRET_KEY", "STORAGES"}
CLOUD = ("cloud.settings", 0)
USER = re.compile(r"^USER\s+1000\b", re.MULTILINE)
HEALTH = re.compile(r"^HEALTHCHECK\b(?!\s+NONE)", re.MULTILINE)
SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)[\"']")
SERVED = re.compile(r"\b([a-zA-Z_][\w.]*):[a-zA-Z_]\w*[\"'\s]")
INGREDIENT = re.compile(r"^[\s\"']*([A-Za-z0-9._-]+)", re.MULTILINE)


def look(root: Path) -> Iterator[Finding]:
    """Yield a finding for each point of docs/adopt.md; reads files only, and imports none."""
    app = root / "app"
    yield from _dockerfile(app)
    yield from _server(app)
    yield from _packages(app)
    found = settings_files(app)
    if not found:
        yield _bad("settings", "manage.py names no settings module that is in app/")
        return
    yield from _settings(app, found)


def settings_files(app: Path) -> list[Path]:
    """Return the settings module that manage.py names, and the modules that it takes over."""
    named = SETTINGS.search(_text(app / "manage.py"))
    return _followed(app, _module(app, named[1])) if named else []


def _followed(app: Path, path: Path) -> list[Path]:
    """Return a module of app/ and those from which it imports everything, theirs included."""
    if not path.is_file():
        return []
    found = [path]
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            base = path.parents[node.level - 1] if node.level else app
            if node.module and (node.module, node.level) != CLOUD:
                found += _followed(app, _module(base, node.module))
    return list(dict.fromkeys(found))


def _module(base: Path, name: str) -> Path:
    path = base.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _dockerfile(app: Path) -> Iterator[Finding]:
    text = _text(app / "Dockerfile")
    if not text:
        yield _bad("Dockerfile", "app/Dockerfile is missing")
        return
    if not USER.search(text):
        yield _bad("Dockerfile", "does not end as user 1000, to whom env file and /data belong")
    if not HEALTH.search(text):
        yield _bad("Dockerfile", "has no HEALTHCHECK, so no release would ever be healthy")
    if USER.search(text) and HEALTH.search(text):
        yield Finding(GROUP, "Dockerfile", "ok", "runs as user 1000, with a health check")
    if not (app / ".dockerignore").is_file():
        hint = "write one, or secrets and media may enter the image"
        yield Finding(GROUP, "Dockerfile", "warn", "app/.dockerignore is missing", hint)


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


def _settings(app: Path, files: list[Path]) -> Iterator[Finding]:
    if not (app / "cloud" / "settings.py").is_file():
        yield _bad("cloud", "app/cloud is missing", "take it from this repository's first commit")
    trees = {path: ast.parse(_text(path)) for path in files}
    lines = [(path, line) for path, tree in trees.items() if (line := _import(tree))]
    where = files[0].relative_to(app).as_posix()
    if not lines:
        yield _bad("settings", f"{where} lacks 'from cloud.settings import *'")
    if not any(_is_named(tree, "cloud") for tree in trees.values()):
        yield _bad("settings", f'{where} lacks "cloud" in INSTALLED_APPS')
    later = [name for path, line in lines for name in _set_after(trees[path], line)]
    if later:
        hint = "remove them there; env/<name>.env holds their values"
        yield _bad("settings", f"{', '.join(later)} set after the import of cloud.settings", hint)
    elif lines:
        yield Finding(GROUP, "settings", "ok", f"{where} takes the environment's settings")


def _import(tree: ast.Module) -> int:
    """Return the line of `from cloud.settings import *`, 0 where there is none."""
    return next(
        (node.lineno for node in ast.walk(tree)
         if isinstance(node, ast.ImportFrom) and node.module == "cloud.settings"), 0,
    )  # fmt: skip


def _is_named(tree: ast.Module, app: str) -> bool:
    names = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return any(isinstance(n, str) and (n == app or n.startswith(f"{app}.apps.")) for n in names)


def _set_after(tree: ast.Module, line: int) -> list[str]:
    assigned = (
        target.id for node in tree.body if isinstance(node, ast.Assign) and node.lineno > line
        for target in node.targets if isinstance(target, ast.Name)
    )  # fmt: skip
    return [name for name in assigned if name in OURS | {"DEFAULT_FILE_STORAGE"}]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _bad(name: str, what: str, hint: str = "") -> Finding:
    return Finding(GROUP, name, "fail", what, f"{hint}; {PAGE}" if hint else PAGE)
