"""Ask a site on a host again and again, and count the requests that fail."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from slipway.command import Command, Shell

# Runs on the host itself, so that its requests are not among the bytes on the wire. It ends
# with its standard input; each request has a connection of its own, as a new visitor has.
SCRIPT = """
import http.client, json, select, sys, time
port, host, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sent, failed, begin = 0, 0, time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    sent += 1
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path, headers={"Host": host})
        failed += connection.getresponse().status >= 500
    except (OSError, http.client.HTTPException):
        failed += 1
    finally:
        connection.close()
    time.sleep(max(0.0, begin + sent / 20 - time.monotonic()))
print(json.dumps({"requests": sent, "failed_requests": failed}))
"""


@contextmanager
def probing(container: str, port: int, host: str, path: str = "/livez") -> Iterator[dict[str, int]]:
    """Send 20 requests a second while the context is open; the counts are there afterwards.

    `container` is the host, `port` one of its own, `host` the name that is asked for.
    """
    counts: dict[str, int] = {}
    words = ("python3", "-c", SCRIPT, str(port), host, path)
    command = Command.of("docker", "exec", "--interactive", container, *words)
    process = Shell().start(command, stdin=subprocess.PIPE)
    try:
        yield counts
    finally:
        said, _ = process.communicate(b"end\n", timeout=30)
        counts.update(json.loads(said or b"{}"))
