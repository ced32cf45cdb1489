"""Read a Django project's settings modules as text: what is set in which order; imports none."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

CLOUD = ("cloud.settings", 0)
# Set after the import, these would no longer be the environment's.
OURS = {"ALLOWED_HOSTS", "DATABASES", "DEBUG", "MEDIA_ROOT", "MEDIA_URL", "SECRET_KEY", "STORAGES"}
NOT_ANY_MORE = {"DEFAULT_FILE_STORAGE"}


def files(app: Path, name: str) -> list[Path]:
    """Return a settings module of app/ and those from which it imports everything, in turn."""
    return list(dict.fromkeys(_followed(app, _module(app, name))))


def words(paths: Sequence[Path]) -> set[str]:
    """Return every string that stands in these modules."""
    nodes = (node for path in paths for node in ast.walk(_parsed(path)))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def set_later(app: Path, path: Path) -> list[str] | None:
    """Name what a module sets again after it has everything from cloud.settings.

    A module outside of app/ that is taken over later counts as a whole. Returns None where
    cloud.settings is not taken over at all.
    """
    later: list[str] | None = None
    for node in _statements(_parsed(path).body):
        base = _taken_over(app, path, node)
        inner = set_later(app, base) if base and base.is_file() else None
        if _is_cloud(node):
            later = []
        elif inner is not None:
            later = inner
        elif later is not None:
            later += _set_by(app, base, node)
    return later


def _set_by(app: Path, base: Path | None, node: ast.stmt) -> list[str]:
    if base is None:
        return [name for name in _names(node) if name in OURS | NOT_ANY_MORE]
    if not base.is_file():
        return [f"all of {node.module}"] if isinstance(node, ast.ImportFrom) else []
    inner = ((_taken_over(app, base, one), one) for one in _statements(_parsed(base).body))
    return [name for taken, one in inner for name in _set_by(app, taken, one)]


def _names(node: ast.stmt) -> list[str]:
    """Return the names that a statement binds."""
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and node.value:
        targets = [node.target]
    walked = (one for target in targets for one in ast.walk(target))
    return [one.id for one in walked if isinstance(one, ast.Name) and _is_bound(one)]


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is imported, those under an `if` too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield node
        for part in ("body", "handlers", "orelse", "finalbody"):
            yield from _statements(getattr(node, part, []))


def _followed(app: Path, path: Path) -> list[Path]:
    if not path.is_file():
        return []
    bases = (_taken_over(app, path, node) for node in _statements(_parsed(path).body))
    return [path, *(one for base in bases if base for one in _followed(app, base))]


def _taken_over(app: Path, path: Path, node: ast.stmt) -> Path | None:
    """Return where a module lies from which a statement imports everything, if it does."""
    if not isinstance(node, ast.ImportFrom) or node.names[0].name != "*" or _is_cloud(node):
        return None
    return _module(path.parents[node.level - 1] if node.level else app, node.module or "")


def _is_cloud(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and (node.module, node.level) == CLOUD
        and node.names[0].name == "*"
    )


def _module(base: Path, name: str) -> Path:
    path = base.joinpath(*filter(None, name.split(".")))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8", errors="replace"))
