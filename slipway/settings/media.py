"""Read [media]: what is left out, and what is kept beside the content (pure)."""

from dataclasses import dataclass

from slipway.toml import Table


@dataclass(frozen=True, slots=True)
class Media:
    """Hold patterns in the syntax of .gitignore, and Cache-Control values by such patterns."""

    exclude: tuple[str, ...] = ()
    cache_control: tuple[tuple[str, str], ...] = ()


def read(table: Table) -> Media:
    """Read the table; what is wrong goes to its problems."""
    rules = table.table("cache_control")
    for pattern, value in rules.pairs():
        if not value.isascii() or not value.isprintable():
            table.problems.add(
                f"media.cache_control: {pattern!r} has the value {value!r}",
                'write it like "public, max-age=3600"',
            )
    media = Media(exclude=table.texts("exclude"), cache_control=rules.pairs())
    table.finish()
    return media
