"""Move the media of a folder as the tasks do: `python -m tests.conformance.push ROOT`.

Further arguments: FLOW, `media:push_media` or another `module:function` of slipway, and its
options as a JSON object.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from invoke.exceptions import Exit

from slipway.console import Console
from slipway.environment import load
from slipway.errors import INTERRUPTED

TOML = """
project = "myapp"
[site]
url = "http://test.localhost"
[[hosts]]
name = "host1"
address = "192.0.2.10"
[storage]
provider = "s3"
bucket = "{bucket}"
prefix = "{prefix}"
"""


def prepare(
    root: Path, bucket: str, endpoint: str, key: str, secret: str, prefix: str = ""
) -> None:
    """Write the environment `test` of a repository at `root`."""
    host = endpoint.partition("//")[2]
    folder = root / "env"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.toml").write_text(TOML.format(bucket=bucket, prefix=prefix))
    user = f"{key}:{quote(secret, safe='')}"
    dsn = f"s3://{user}@{bucket}.{host}/{prefix}?endpoint={quote(endpoint, safe='')}"
    (folder / "test.env").write_text(f"DEFAULT_STORAGE_DSN='{dsn}'\n")


def main(root: str, flow: str = "media:push_media", options: str = "{}") -> int:
    given = json.loads(options)
    console = Console(as_json=True, assume_yes=given.pop("yes", False))
    module, _, function = flow.partition(":")
    try:
        run = getattr(import_module(f"slipway.{module}"), function)
        code: int = run(load("test", Path(root)), console, **given)
        return code
    except Exit as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
