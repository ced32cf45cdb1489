import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.machine import ROOT
from tests.e2e.three.cloud import VIEWS, Cloud


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    root = tmp_path_factory.mktemp("three") / "repo"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    urls = root / "app" / "myapp" / "urls.py"
    urls.write_text(urls.read_text() + VIEWS)
    found = Cloud(root)
    if os.environ.get("SANDBOX") == "kept":
        # To try single tests: the hosts of this checkout, provisioned as 'three', as they are.
        shutil.copytree(ROOT / ".sandbox", root / ".sandbox")
        shutil.copy2(ROOT / "env" / "three.env", root / "env" / "three.env")
        found.good()
        yield found
        return
    assert found.invoke("sandbox.up", "--hosts", "3").returncode == 0
    try:
        assert found.invoke("provision", "-e", "three", "--yes").returncode == 0
        found.good()
        yield found
    finally:
        found.invoke("sandbox.down", "--yes")


@pytest.fixture
def edited(cloud: Cloud) -> Iterator[Callable[[str, str], None]]:
    """Return a function that appends to a file; what was there before comes back."""
    before: dict[Path, bytes] = {}

    def append(name: str, text: str) -> None:
        path = cloud.root / name
        before.setdefault(path, path.read_bytes())
        path.write_bytes(path.read_bytes() + text.encode())

    yield append
    for path, content in before.items():
        path.write_bytes(content)
