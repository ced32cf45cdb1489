"""Say when the content of an object was written, as far as anybody noted it (pure)."""

from collections.abc import Mapping
from datetime import datetime

# The name and the form (Unix time in seconds, with a fraction) that rclone uses too.
MTIME = "mtime"
NANO = 1_000_000_000
DIGITS = 10  # of a time in seconds: up to the year 2286


def modified(metadata: Mapping[str, str], stored: datetime) -> int:
    """Return the time (Unix, ns) that the sender noted, or the one at which it was stored."""
    return parse(metadata.get(MTIME, "")) or int(stored.timestamp()) * NANO


def parse(text: str) -> int:
    """Read a time in seconds with a fraction; returns ns, 0 for anything else."""
    whole, _, fraction = text.partition(".")
    if not text.isascii() or not whole.isdigit() or not (fraction + "0").isdigit():
        return 0
    if len(whole) > DIGITS:
        return 0
    return int(whole) * NANO + int(fraction[:9].ljust(9, "0"))


def render(nanoseconds: int) -> str:
    """Write a time (Unix, ns) as `parse` reads it."""
    return f"{nanoseconds // NANO}.{nanoseconds % NANO:09d}"
