"""Make signed requests to S3 over a pool of kept connections, and again where that helps."""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from urllib.parse import quote, urlsplit

from slipway.dsn import S3Dsn
from slipway.objects import refusals
from slipway.objects.clock import Clock
from slipway.objects.pool import Counter, Pool, place_of
from slipway.objects.signature import EMPTY_SHA256, query_string, signed_headers
from slipway.objects.wire import Answer

SKEW = timedelta(seconds=10)
FAILED = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error\b")
NO_HEADERS: Mapping[str, str] = {}


def virtual_hosted(dsn: S3Dsn) -> bool:
    """Tell whether the bucket is part of the host name: on AWS, unless TLS forbids it."""
    return not dsn.endpoint and "." not in dsn.bucket


class Requests:
    """Send signed requests from any number of threads; raises StorageError if TLS is damaged."""

    def __init__(self, dsn: S3Dsn, counter: Counter) -> None:
        self._dsn = dsn
        self._secret = dsn.secret.reveal()
        parts = urlsplit(dsn.api)
        self._host = f"{dsn.bucket}.{parts.netloc}" if virtual_hosted(dsn) else parts.netloc
        self._root = "" if virtual_hosted(dsn) else f"/{quote(dsn.bucket)}"
        self._clock = Clock(SKEW)
        self._refuse = partial(refusals.of_failure, dsn)
        there, secure = urlsplit(f"//{self._host}"), parts.scheme == "https"
        place = place_of(there.hostname or "", there.port, secure=secure, refuse=self._refuse)
        self.pool = Pool(place, counter)

    def send(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        """Send a request and return the answer, whatever its status; raises StorageError."""
        content = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        ahead = self._clock.ahead

        def once() -> Answer:
            nonlocal ahead
            ahead = self._clock.ahead
            return self._once(method, key, query, body, headers, content, ahead)

        return self.pool.patiently(once, lambda answer: self._again(answer, ahead), self._refuse)

    def ask(self, method: str, key: str, query: Mapping[str, str], body: bytes = b"") -> str:
        """Send a request and return the text of a good answer; raises StorageError."""
        headers = {"content-md5": _md5(body)} if body else NO_HEADERS
        answer = self.send(method, key, query, body, headers)
        if answer.status >= 300:
            raise refusals.of_answer(self._dsn, answer.status, answer.text)
        return answer.text

    def _again(self, answer: Answer, ahead: timedelta) -> bool:
        if answer.status not in {400, 403}:
            return False
        code = refusals.element(answer.text, "Code")
        return code == "RequestTimeout" or (
            code in {"RequestTimeTooSkewed", "RequestExpired"}
            and self._clock.corrected(answer, ahead)
        )

    def _once(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str],
        content: str,
        ahead: timedelta,
    ) -> Answer:
        path = f"{self._root}/{quote(key)}"
        asked = query_string(query) if query else ""
        signed = signed_headers(
            method, self._host, path, asked, key=self._dsn.key, secret=self._secret,
            region=self._dsn.region, now=self._clock.time(ahead),
            content=content, more=headers,
        )  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        target = f"{path}?{asked}" if asked else path
        length = f"content-length: {len(body)}\r\n" if body or method in {"PUT", "POST"} else ""
        head = f"{method} {target} HTTP/1.1\r\n{lines}{length}\r\n".encode()
        answer = self.pool.exchange(head, body, bodiless=method == "HEAD")
        # S3 may say that it began well, and then that it failed after all.
        if method in {"PUT", "POST"} and answer.status == 200 and FAILED.match(answer.body):
            return answer._replace(status=500)
        return answer


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
