"""Send requests to a site while something is done to it, and count those that fail."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

from slipway import probe
from slipway.environment import Environment
from slipway.settings.hosts import Host

PATH = "/"
SENDERS = 4
RATE = 5.0
TIMEOUT = 30


class Load:
    """Hold how many requests were sent and how many failed: no answer, or 500 and above."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.failures: list[str] = []
        self._lock = Lock()

    def count(self, failure: str) -> None:
        """Count one request; `failure` says why it failed, if it did."""
        with self._lock:
            self.sent += 1
            if failure:
                self.failed += 1
                self.failures.append(failure)


@contextmanager
def running(environment: Environment) -> Iterator[Load]:
    """Send requests over kept connections through the proxy of each host in turns."""
    load, stop = Load(), Event()
    hosts = environment.hosts
    threads = [
        Thread(target=_send, args=(environment, hosts[n % len(hosts)], load, stop), daemon=True)
        for n in range(max(SENDERS, len(hosts)))
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)


def _send(environment: Environment, host: Host, load: Load, stop: Event) -> None:
    connection = None
    while not stop.is_set():
        begin = time.monotonic()
        try:
            connection = connection or probe.connect(environment.site, host, TIMEOUT)
            connection.request("GET", PATH, headers={"Host": environment.site.netloc})
            answer = connection.getresponse()
            answer.read()
            failure = f"{answer.status}" if answer.status >= 500 else ""
        except (OSError, http.client.HTTPException) as error:
            failure = str(error) or type(error).__name__
        if failure and connection:
            connection.close()
            connection = None
        load.count(failure)
        stop.wait(max(0.0, 1 / RATE - (time.monotonic() - begin)))
    if connection:
        connection.close()
