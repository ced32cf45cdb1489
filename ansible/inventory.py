#!/usr/bin/env python3
"""Print the hosts of the environment SLIPWAY_ENV (default: test) in Ansible's JSON."""

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from slipway.environment import load  # noqa: E402
from slipway.errors import SlipwayError  # noqa: E402
from slipway.inventory import inventory  # noqa: E402


def main() -> None:
    """Answer --list with everything, and --host with nothing: --list said it."""
    root = Path(os.environ.get("SLIPWAY_ROOT") or HERE)
    port = int(os.environ.get("SLIPWAY_REGISTRY_PORT") or 0)
    try:
        environment = load(os.environ.get("SLIPWAY_ENV") or "test", root)
    except SlipwayError as error:
        sys.exit(str(error))
    hosts = {} if "--host" in sys.argv else inventory(environment, port)
    sys.stdout.write(json.dumps(hosts, indent=2) + "\n")


if __name__ == "__main__":
    main()
