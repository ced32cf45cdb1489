"""Read docs/tutorial.md: the commands that it gives, step by step."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
STEP = re.compile(r"<!-- step: ([\w-]+) -->\n```console\n(.*?)```", re.DOTALL)


def steps() -> dict[str, list[str]]:
    """Return the command lines of each step, in the page's order."""
    text = PAGE.read_text(encoding="utf-8")
    return {
        name: [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
        for name, block in STEP.findall(text)
    }


def unnamed_blocks() -> int:
    """Count the blocks of commands that no test could run, for they have no name."""
    text = PAGE.read_text(encoding="utf-8")
    return text.count("```console") - len(STEP.findall(text))
