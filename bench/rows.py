"""Hold what was measured, and compare it (pure)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

OURS = "slipway"


@dataclass(frozen=True, slots=True)
class Row:
    """Hold what one tool needed for one case: seconds of each run, and what else was counted.

    `limit` marks what bounds every tool, such as the bare engine, and `apart` what does less than
    the others: both are shown, but are no peers.
    `failed` says why there is no figure.
    """

    case: str
    tool: str
    seconds: tuple[float, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)
    limit: bool = False
    apart: bool = False
    failed: str = ""

    @property
    def median(self) -> float | None:
        """Return the median in seconds, or None where no run succeeded."""
        return median(self.seconds) if self.seconds and not self.failed else None

    def with_run(self, seconds: float, extra: Mapping[str, object]) -> "Row":
        """Return the row with one run more; the last run's counts stay."""
        return replace(self, seconds=(*self.seconds, seconds), extra={**self.extra, **extra})


def ratio(row: Row, rows: Sequence[Row], *, limit: bool = False) -> float | None:
    """Return a row's median divided by that of the best peer (or limit) of its case."""
    others = [
        other.median
        for other in rows
        if other.case == row.case
        and other.tool != OURS
        and other.limit == limit
        and not other.apart
    ]
    known = [one for one in others if one]
    return row.median / min(known) if row.median and known else None


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as a JSON list of objects."""
    return json.dumps([_fields(row, rows) for row in rows], indent=2) + "\n"


def _fields(row: Row, rows: Sequence[Row]) -> dict[str, object]:
    found: dict[str, object] = {
        "case": row.case,
        "tool": row.tool,
        "seconds": [round(one, 3) for one in row.seconds],
        "median": _rounded(row.median),
    }
    if row.tool == OURS:
        found["ratio_to_best_peer"] = _rounded(ratio(row, rows))
        if (bound := ratio(row, rows, limit=True)) is not None:
            found["ratio_to_limit"] = _rounded(bound)
    if row.limit:
        found["limit"] = True
    if row.apart:
        found["apart"] = True
    if row.failed:
        found["failed"] = row.failed
    return {**found, **row.extra}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
