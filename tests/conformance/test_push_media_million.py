import json
import subprocess
import sys

import pytest

from tests.conformance.site import ROOT


@pytest.mark.parametrize("kind", ["unchanged", "new", "unknown", "gone"])
def test_a_million_files_are_planned_in_seconds_and_little_memory(kind: str) -> None:
    words = [sys.executable, "-m", "tests.conformance.million", kind]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=300)
    found = json.loads(said.stdout)
    assert found[kind] == 1_000_000
    assert found["MB"] < 150
    # Seconds of CPU; what the same machine takes for making the lists says how slow it is.
    assert found["cpu"] < max(10, 1.5 * found["lists"])
