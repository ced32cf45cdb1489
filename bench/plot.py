"""Draw what was measured: `python -m bench.plot ROWS.json PICTURE.svg`."""

import json
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.rows import OURS, Row

WIDTH, BAR, GAP, LEFT = 760, 16, 30, 150
COLOURS = {True: "#0b7285", False: "#adb5bd"}
OTHER = "#ffd8a8"
TITLE = "Seconds, median"


def svg(rows: Sequence[Row], title: str) -> str:
    """Return the picture; in each case the slowest tool fills the width."""
    shapes: list[str] = []
    y = 50
    for case in dict.fromkeys(row.case for row in rows):
        those = [row for row in rows if row.case == case and row.median]
        slowest = max((row.median or 0 for row in those), default=1)
        shapes.append(f'<text x="10" y="{y}" font-weight="bold">{escape(case)}</text>')
        y += 8
        for row in those:
            median = row.median or 0
            width = max(2, (WIDTH - LEFT - 80) * median / slowest)
            colour = OTHER if row.limit or row.apart else COLOURS[row.tool == OURS]
            shapes += [
                f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(row.tool)}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="13" fill="{colour}"/>',
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{median:.2f} s</text>',
            ]
            y += BAR
        y += GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}"'
    head += ' font-family="sans-serif" font-size="12">'
    back = '<rect width="100%" height="100%" fill="white"/>'
    name = f'<text x="10" y="24" font-size="16">{escape(title)}</text>'
    return "\n".join([head, back, name, *shapes, "</svg>", ""])


def read(fields: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Read what a benchmark wrote."""
    return [
        Row(
            one["case"],
            one["tool"],
            tuple(one["seconds"]),
            limit=one.get("limit", False),
            apart=one.get("apart", False),
        )
        for one in fields
    ]


def main(source: str, target: str) -> None:
    """Read a JSON that a benchmark wrote, and write the picture."""
    fields = json.loads(Path(source).read_text(encoding="utf-8"))
    Path(target).write_text(svg(read(fields), TITLE), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
