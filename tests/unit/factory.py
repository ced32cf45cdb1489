"""Make environments for tests."""

from pathlib import Path
from typing import Any

from slipway.environment import Environment
from slipway.settings.hosts import Host
from slipway.settings.site import Site
from slipway.settings.storage import Storage

ROOT = Path(__file__).resolve().parents[2]


def environment(**fields: Any) -> Environment:
    wanted: dict[str, Any] = {
        "name": "test",
        "root": ROOT,
        "project": "myapp",
        "site": Site("http://test.localhost:8080"),
        "hosts": (Host("host1", "192.0.2.10"),),
        "storage": Storage("s3", "myapp-test", endpoint="http://192.0.2.20:8333"),
    }
    return Environment(**{**wanted, **fields})
