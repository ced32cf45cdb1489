"""Apply the settings of [media]: what is left out, and what is kept beside the content (pure)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slipway.content_types import content_type
from slipway.objects.bucket import Meta
from slipway.settings.media import Media
from slipway.sync.scan import is_clutter

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Rules:
    """Answer, for the name of a file, whether it is excluded and which metadata it gets."""

    def __init__(self, settings: Media) -> None:
        self._excluded = _spec(settings.exclude) if settings.exclude else None
        self._cache = [(_spec([pattern]), value) for pattern, value in settings.cache_control]

    def excluded(self, name: str) -> bool:
        """Tell whether a name is excluded; that of a folder ends with a slash."""
        return self._excluded is not None and self._excluded.match_file(name)

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


def _spec(patterns: Iterable[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # loaded only where somebody needs it

    return GitIgnoreSpec.from_lines(patterns)
