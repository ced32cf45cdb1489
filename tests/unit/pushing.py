"""Push the media of a site to a bucket in memory."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from slipway.console import Console
from slipway.environment import Environment
from slipway.media import push_media
from tests.unit.bucket import MemoryBucket


def write(site: Environment, name: str, content: bytes) -> Path:
    path = site.root / "data" / "media" / name
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return path


def push(site: Environment, bucket: MemoryBucket, **options: Any) -> int:
    return push_media(site, Console(as_json=True), bucket=bucket, **options)


def fields(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return loaded
