"""Apply the settings of [media]: what is left out, and what is kept beside the content (pure)."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from slipway.content_types import content_type
from slipway.objects.bucket import Meta
from slipway.settings.media import Media
from slipway.sync.scan import is_clutter

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# `a/**` names what lies in the folder; pathspec takes the folder itself for named, too.
INSIDE = re.compile(r"(/\*\*)(/?)\s*$")
_Pattern = tuple[bool, Callable[[str], object]]


class Rules:
    """Answer, for the name of a file, whether it is excluded and which metadata it gets."""

    def __init__(self, settings: Media) -> None:
        self._patterns = _patterns(settings.exclude) if settings.exclude else []
        self._cache = [(_spec([pattern]), value) for pattern, value in settings.cache_control]

    def excluded(self, name: str) -> bool:
        """Tell whether a name itself is excluded; that of a folder ends with a slash.

        As with git, what lies in an excluded folder is never looked at.
        """
        for excludes, matches in self._patterns:
            if matches(name):
                return excludes
        return False

    def left_out(self, name: str) -> bool:
        """Tell whether a file of this name would not be sent."""
        ends = [place + 1 for place, letter in enumerate(name) if letter == "/"]
        inside = any(self.excluded(name[:end]) for end in ends)
        return inside or self.excluded(name) or is_clutter(name.rpartition("/")[2])

    def meta_of(self, name: str) -> Meta:
        """Return the metadata of a file; the first pattern that matches decides."""
        for spec, value in self._cache:
            if spec.match_file(name):
                return Meta(content_type(name), value)
        return Meta(content_type(name))


def _patterns(lines: Iterable[str]) -> list[_Pattern]:
    """Return whether each pattern excludes, and what tells that it names a whole name; last first.

    pathspec would also ask whether it names a folder above, and so judge apart from git.
    """
    spec = _spec(INSIDE.sub(r"\1/*\2", line) for line in lines)
    found: list[_Pattern] = []
    for pattern in reversed(spec.patterns):
        if pattern.include is not None and pattern.regex is not None:
            text = str(pattern.regex.pattern)
            whole = re.compile(text if text.startswith("^") else f".*{text}", re.DOTALL)
            found.append((pattern.include, whole.fullmatch))
    return found


def _spec(patterns: Iterable[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # loaded only where somebody needs it

    return GitIgnoreSpec.from_lines(patterns)
