"""Print rows as a table of plain text (pure)."""

from collections.abc import Sequence

from bench.rows import OURS, Row, ratio

HEAD = ("case", "tool", "median", "runs", "to best peer")


def table(rows: Sequence[Row]) -> str:
    """Return a table with a line for each row; what else was counted gets columns of its own."""
    names = list(dict.fromkeys(name for row in rows for name in row.extra))
    lines = [(*HEAD, *names), *((*_cells(row, rows), *_extras(row, names)) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += [f"{row.tool}, {row.case}: {row.failed}" for row in rows if row.failed]
    return "\n".join(text)


def _cells(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    shown = "failed" if row.median is None else f"{row.median:.2f} s"
    runs = f"{min(row.seconds):.2f}-{max(row.seconds):.2f}" if len(row.seconds) > 1 else "1"
    runs = runs if row.seconds else "-"
    return row.case, row.tool, shown, runs, _ratio(row, rows)


def _ratio(row: Row, rows: Sequence[Row]) -> str:
    if row.limit or row.apart:
        return "(limit)" if row.limit else "(apart)"
    found = ratio(row, rows) if row.tool == OURS else None
    return f"{found:.2f} x" if found is not None else ""


def _extras(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_number(row.extra[name]) if name in row.extra else "" for name in names)


def _number(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    rest = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*first, *rest]).rstrip()
