"""Read a TOML table field by field and collect every problem instead of the first one (pure)."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from slipway.errors import ConfigurationError, ConfigurationErrors

T = TypeVar("T")
TYPE_NAMES = {str: "a text", int: "a whole number", bool: "true or false", list: "a list of texts"}


class Problems:
    """Collect what is wrong in one file."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[ConfigurationError] = []

    def add(self, what: str, hint: str) -> None:
        """Remember one problem and what to do about it."""
        self.found.append(ConfigurationError(self.where, what, hint))

    def raise_all(self) -> None:
        """Raise ConfigurationErrors where anything was collected."""
        if self.found:
            raise ConfigurationErrors(self.found)


class Table:
    """Read the settings of one table; what was not asked for is unknown in the end."""

    def __init__(self, values: object, name: str, problems: Problems) -> None:
        self.name = name
        self.problems = problems
        self._known: list[str] = []
        self._values: dict[str, Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            problems.add(f"{name} is no table", f"write it as [{name}]")

    def text(
        self,
        key: str,
        default: str | None = None,
        *,
        check: Callable[[str], str | None] | None = None,
        example: str = "",
    ) -> str:
        """Read a text; `check` returns what is wrong with it, or None."""
        value = self._read(key, str, default, example)
        if value is None:
            return ""
        wrong = check(value) if check and key in self._values else None
        if wrong:
            self.problems.add(f"{self._path(key)} = {value!r} {wrong}", self._like(key, example))
        return value

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Read a whole number between `low` and `high`, both included."""
        value = self._read(key, int, default, str(default))
        if value is None:
            return default
        if not low <= value <= high:
            self.problems.add(
                f"{self._path(key)} = {value} is out of range", f"take {low} to {high}"
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        value = self._read(key, bool, default, str(default).lower())
        return default if value is None else value

    def texts(self, key: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self._read(key, list, list(default), '["…"]')
        if value is None or not all(isinstance(item, str) for item in value):
            if value is not None:
                self.problems.add(f"{self._path(key)} is not a list of texts", 'write ["…", "…"]')
            return tuple(default)
        return tuple(value)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Read all keys of the table, which may be any, with their texts, in their order."""
        return tuple((key, self.text(key)) for key in self._values)

    def path(self, key: str, root: Path) -> Path | None:
        """Read a path; a relative one starts at `root`, `~` is the home folder."""
        text = self.text(key, "")
        return root / Path(text).expanduser() if text else None

    def table(self, key: str) -> "Table":
        """Read a table inside this one; a missing one is empty."""
        self._known.append(key)
        return Table(self._values.get(key, {}), self._path(key), self.problems)

    def tables(self, key: str) -> list["Table"]:
        """Read a list of tables (`[[key]]`); a missing one is empty."""
        self._known.append(key)
        values = self._values.get(key, [])
        if not isinstance(values, list):
            self.problems.add(f"{self._path(key)} is no list of tables", f"write [[{key}]]")
            return []
        return [
            Table(value, f"{self._path(key)}[{number}]", self.problems)
            for number, value in enumerate(values, 1)
        ]

    def finish(self) -> None:
        """Report every key that nobody asked for, with the nearest known name."""
        for key in self._values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(self._known)}"
                self.problems.add(f"{self._path(key)} is unknown", hint)

    def _read(self, key: str, kind: type[T], default: T | None, example: str) -> T | None:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                self.problems.add(f"{self._path(key)} is missing", self._like(key, example))
            return default
        value = self._values[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.problems.add(
                f"{self._path(key)} is not {TYPE_NAMES[kind]}", self._like(key, example)
            )
            return None
        return value

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _like(self, key: str, example: str) -> str:
        return f"write it like {key} = {example}" if example else "see env/example.toml"
