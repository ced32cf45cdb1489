"""Push to a host's disk in a process that can be killed: `python -m tests.conformance.volume_push`.

Arguments: the root of the checkout, and a JSON object with address, identity_file,
known_hosts_file, folder and cache.
"""

import json
import sys
from pathlib import Path

from slipway.console import Console
from slipway.media import push_media
from slipway.objects.volume import Place, VolumeBucket
from slipway.settings.hosts import Host
from tests.unit.factory import environment


def arguments(root: Path, place: Place) -> list[str]:
    """Return what main() is to be called with."""
    host = place.host
    fields = {
        "address": host.address,
        "identity_file": str(host.identity_file),
        "known_hosts_file": str(host.known_hosts_file),
        "folder": place.folder,
        "cache": place.cache,
    }
    return [str(root), json.dumps(fields)]


def main(root: str, given: str) -> int:
    fields = json.loads(given)
    identity, known_hosts = Path(fields["identity_file"]), Path(fields["known_hosts_file"])
    address = fields["address"]
    host = Host("host1", address, identity_file=identity, known_hosts_file=known_hosts)
    bucket = VolumeBucket(Place(host, fields["folder"], fields["cache"]))
    return push_media(environment(root=Path(root)), Console(as_json=True), bucket=bucket)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
