"""Run the product's own commands, and look at the machine while they run."""

import functools
import json
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from slipway import fields

ROOT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).with_name("invoke")


def invoke(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a task as a person would; with `check` it must succeed."""
    done = subprocess.run(
        [INVOKE, *words], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if check:
        assert done.returncode == 0, f"invoke {' '.join(words)}: {done.stdout}{done.stderr}"
    return done


def result_of(*words: str) -> dict[str, Any]:
    """Run a task with --json, and return the one object that it prints, as it is declared."""
    printed = dict(json.loads(invoke(*words, "--json").stdout))
    assert fields.differences(words[0], printed) == []
    return printed


def python(code: str) -> str:
    """Run code in the deployed release and return its last line."""
    said = invoke("manage", f"shell --verbosity 0 -c {shlex.quote(code)}").stdout.split()
    return said[-1] if said else ""


def docker(*words: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", *words], input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout


class Sampler:
    """Collect the argument lists of all processes, again and again, while something runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue
            self.rounds += 1
            time.sleep(0.05)


@functools.cache
def sampler() -> Sampler:
    """Return the one that has looked on since the first demo."""
    started = Sampler()
    started.__enter__()
    return started


@functools.cache
def first_demo() -> dict[str, Any]:
    """Run the demo once for all tests of a session, watched; the sandbox stays afterwards."""
    begin = time.monotonic()
    watching = sampler()
    found = result_of("sandbox.demo")
    print(f"\nfirst demo: {time.monotonic() - begin:.0f} s {json.dumps(found['first'])}")
    assert watching.rounds > 10
    return found
