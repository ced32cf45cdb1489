"""Draw the pictures of the pages: `python -m docs.pictures.draw`.

*.toml holds boxes and arrows, *.txt what a terminal showed; each becomes an SVG of its name.
"""

import re
import sys
import tomllib
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
STYLE = """
  text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1d2430; }
  .title { font-weight: 600; } .soft { font-size: 12px; fill: #5b6575; }
  .box { fill: #f4f6fa; stroke: #b9c2d0; } .inner { fill: #fff; stroke: #b9c2d0; }
  .arrow { stroke: #0b62d6; stroke-width: 1.6; fill: none; marker-end: url(#end); }
  .label { font-size: 12px; fill: #0b62d6; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e8eaee; } .soft { fill: #a9b2c0; }
    .box { fill: #1a1f27; stroke: #3a4350; } .inner { fill: #12151a; stroke: #3a4350; }
    .arrow { stroke: #7fb2ff; } .label { fill: #7fb2ff; } #end path { fill: #7fb2ff; }
  }
"""
LINE = 18
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def draw(source: Path) -> str:
    """Return the SVG of one source."""
    if source.suffix == ".txt":
        return terminal(source.read_text(encoding="utf-8"), source.stem)
    return boxes(tomllib.loads(source.read_text(encoding="utf-8")))


def boxes(picture: dict[str, Any]) -> str:
    """Return an SVG of boxes (x, y, width, height in pixels; title; lines) and arrows."""
    width, height = picture["size"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(picture["title"])}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#0b62d6"/></marker></defs>',
        *(_box(one) for one in picture["box"]),
        *(_arrow(one) for one in picture["arrow"]),
    ]
    return "\n".join([*parts, "</svg>", ""])


def terminal(shown: str, name: str) -> str:
    """Return an SVG of a terminal that shows the text; lines that begin with `$` stand out."""
    lines = shown.rstrip("\n").splitlines()
    width = max(len(line) for line in lines) + 1
    console = Console(record=True, width=width, file=StringIO(), color_system="truecolor")
    for line in lines:
        console.print(Text(line, style="bold cyan" if line.startswith("$ ") else ""))
    # The font that Rich names lies on a server elsewhere; any fixed-width one does.
    svg = FONT.sub("", console.export_svg(title="slipway", unique_id=name))
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _box(one: dict[str, Any]) -> str:
    x, y, width, height = one["at"]
    kind = "inner" if one.get("inner") else "box"
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
             _text(x + 12, y + 24, one["title"], "title")]  # fmt: skip
    for number, line in enumerate(one.get("lines", []), 1):
        parts.append(_text(x + 12, y + 24 + number * LINE, line, "soft"))
    return "\n".join(parts)


def _arrow(one: dict[str, Any]) -> str:
    (x, y), (to_x, to_y) = one["from"], one["to"]
    label_x, label_y = one.get("label_at", (x + 8, y - 8))
    drawn = f'<path class="arrow" d="M{x} {y} {to_x} {to_y}"/>'
    return f"{drawn}\n{_text(label_x, label_y, one['label'], 'label')}"


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


if __name__ == "__main__":
    for found in sorted([*HERE.glob("*.toml"), *HERE.glob("*.txt")]):
        found.with_suffix(".svg").write_text(draw(found), encoding="utf-8")
        sys.stdout.write(f"{found.stem}.svg\n")
