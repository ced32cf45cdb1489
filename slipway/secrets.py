"""Hold values that must not be shown."""

import hmac
import secrets as _random


class Secret:
    """Hold a text that prints as `***`; reveal() is the only way to read it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the hidden text."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, specification: str) -> str:
        return format("***", specification)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


def generate(length: int = 50) -> Secret:
    """Make a random secret of letters, digits, `-` and `_` (`length` characters)."""
    return Secret(_random.token_urlsafe(length)[:length])
