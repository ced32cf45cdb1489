"""Describe what would be done before it is done (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from slipway.errors import CHANGES, OK

Action = Literal["create", "change", "delete"]
SIGNS: dict[Action, str] = {"create": "+", "change": "~", "delete": "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """Describe one difference between what is wanted and what is there; holds no secret.

    `part` is where it belongs (storage, env, hosts, database), `resource` what is concerned,
    `detail` says in a few words what will be other than before, `loses` what can then not be got
    back, empty where nothing.
    """

    part: str
    action: Action
    resource: str
    detail: str = ""
    loses: str = ""

    def line(self) -> str:
        """Return the change as one line for people."""
        text = f"{SIGNS[self.action]} {self.resource}"
        text = f"{text}: {self.detail}" if self.detail else text
        return f"{text} (LOSES DATA: {self.loses})" if self.loses else text

    def as_json(self) -> dict[str, str]:
        """Return the change as the JSON object that `--json` prints."""
        return {
            "part": self.part,
            "action": self.action,
            "resource": self.resource,
            "detail": self.detail,
            "loses": self.loses,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold the changes of a run, in the order in which they are made."""

    changes: tuple[Change, ...]

    @classmethod
    def of(cls, *parts: Iterable[Change]) -> "Plan":
        """Join the changes of several parts."""
        return cls(tuple(change for part in parts for change in part))

    def __bool__(self) -> bool:
        return bool(self.changes)

    def of_part(self, part: str) -> tuple[Change, ...]:
        """Return the changes of one part."""
        return tuple(change for change in self.changes if change.part == part)

    @property
    def losses(self) -> tuple[Change, ...]:
        """Return the changes after which something cannot be got back."""
        return tuple(change for change in self.changes if change.loses)

    @property
    def exit_code(self) -> int:
        """Return 0 where nothing is to be done, else 2."""
        return CHANGES if self.changes else OK

    def as_json(self) -> list[dict[str, str]]:
        """Return all changes as JSON objects."""
        return [change.as_json() for change in self.changes]
