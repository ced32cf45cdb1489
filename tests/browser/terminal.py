"""Type the tutorial's commands at a terminal, and answer what it asks."""

import os
import pty
import select
import shlex
import subprocess
import time
from collections.abc import Mapping

from tests.browser.chromium import ARTEFACTS
from tests.browser.page import steps
from tests.e2e.machine import INVOKE, ROOT

SECONDS = 600


def run_step(name: str, answers: Mapping[str, str] | None = None) -> str:
    """Run the commands of one step of docs/tutorial.md, each of which must succeed.

    What the terminal showed is kept beside the browser's pictures.
    """
    shown = "".join(f"$ {line}\n{run(line, answers or {})}" for line in steps()[name])
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    (ARTEFACTS / f"{name}.txt").write_text(shown.replace("\r\n", "\n"), encoding="utf-8")
    return shown


def run(line: str, answers: Mapping[str, str]) -> str:
    """Run one command line; where the screen ends with a key of `answers`, type its value."""
    words = shlex.split(line)
    assert words[0] == "invoke", line
    screen, keyboard = pty.openpty()
    process = subprocess.Popen(
        [INVOKE, *words[1:]], cwd=ROOT, stdin=keyboard, stdout=keyboard, stderr=keyboard,
        start_new_session=True, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    os.close(keyboard)
    try:
        said = _converse(screen, answers)
    finally:
        os.close(screen)
    assert process.wait(timeout=60) == 0, f"{line}\n{said}"
    return said


def _converse(screen: int, answers: Mapping[str, str]) -> str:
    said, answered = "", 0
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 1)[0]:
            continue
        try:
            new = os.read(screen, 65536).decode(errors="replace")
        except OSError:
            # The other end is closed: the command has ended.
            return said
        said += new
        for question, answer in answers.items():
            if said[answered:].rstrip().endswith(question):
                os.write(screen, f"{answer}\n".encode())
                answered = len(said)
    raise AssertionError(f"no end after {SECONDS} s: {said}")
