"""Make requests to Azure's blob service over kept connections, and again where that helps."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from urllib.parse import quote, urlsplit

from slipway.dsn_az import AzDsn
from slipway.errors import StorageError
from slipway.objects import azure_signature, refusals
from slipway.objects.clock import Clock
from slipway.objects.pool import Counter, Pool, place_of
from slipway.objects.wire import Answer

PROVISION = "run 'invoke provision'"
CODES = {
    "AuthenticationFailed": ("refuses the credential of the DSN", PROVISION),
    "AuthorizationFailure": ("forbids this to the credential of the DSN", PROVISION),
    "AuthorizationPermissionMismatch": ("forbids this to the credential of the DSN", PROVISION),
    "ContainerNotFound": ("has no such container", PROVISION),
    "AccountIsDisabled": ("has locked this account", "ask the provider"),
}
SKEW = timedelta(minutes=5)
NOTHING: Mapping[str, str] = {}


class Named:
    """Name the container as messages about buckets do."""

    def __init__(self, dsn: AzDsn) -> None:
        self.bucket = dsn.container
        self.api = dsn.api


class Requests:
    """Send authorized requests from any number of threads."""

    def __init__(self, dsn: AzDsn, counter: Counter) -> None:
        self._dsn = dsn
        self._named = Named(dsn)
        parts = urlsplit(dsn.api)
        self._host = parts.netloc
        self._root = f"{parts.path.rstrip('/')}/{quote(dsn.container)}"
        self._clock = Clock(SKEW)
        self._refuse = partial(refusals.of_failure, self._named)
        secure = parts.scheme == "https"
        place = place_of(parts.hostname or "", parts.port, secure=secure, refuse=self._refuse)
        self.pool = Pool(place, counter)

    def send(
        self,
        method: str,
        name: str,
        query: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
        body: bytes = b"",
    ) -> Answer:
        """Send a request and return the answer, whatever its status; raises StorageError."""
        ahead = self._clock.ahead

        def once() -> Answer:
            nonlocal ahead
            ahead = self._clock.ahead
            return self._once(method, name, query, headers, body, ahead)

        return self.pool.patiently(once, lambda answer: self._again(answer, ahead), self._refuse)

    def url_of(self, name: str) -> str:
        """Return the address of a blob, with the shared access signature if there is one."""
        signature = f"?{self._dsn.key.reveal()}" if self._dsn.is_sas else ""
        scheme = urlsplit(self._dsn.api).scheme
        return f"{scheme}://{self._host}{self._path(name)}{signature}"

    def refusal(self, answer: Answer) -> StorageError:
        """Explain an answer with an error status."""
        code = answer.headers.get("x-ms-error-code") or refusals.element(answer.text, "Code")
        where = refusals.where(self._named)
        if code in CODES:
            return StorageError(where, *CODES[code])
        said = refusals.element(answer.text, "Message").splitlines() or [code or "no reason given"]
        hint = "run it again later" if answer.status >= 500 else "check storage.endpoint"
        return StorageError(where, f"answered {answer.status}: {said[0]}", hint)

    def _again(self, answer: Answer, ahead: timedelta) -> bool:
        return answer.status == 403 and self._clock.corrected(answer, ahead)

    def _once(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        ahead: timedelta,
    ) -> Answer:
        path, key = self._path(name), self._dsn.key.reveal()
        now = format_datetime(self._clock.time(ahead), usegmt=True)
        sent = {"x-ms-version": azure_signature.VERSION, "x-ms-date": now, **headers}
        if body or method == "PUT":
            sent["content-length"] = str(len(body))
        if not self._dsn.is_sas:
            account = self._dsn.account
            sent["authorization"] = azure_signature.authorization(
                account, key, method, path, query, sent
            )
        asked = azure_signature.query_string(query, key if self._dsn.is_sas else "")
        target = f"{path}?{asked}" if asked else path
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        head = f"{method} {target} HTTP/1.1\r\nhost: {self._host}\r\n{lines}\r\n".encode()
        return self.pool.exchange(head, body, bodiless=method == "HEAD")

    def _path(self, name: str) -> str:
        return f"{self._root}/{quote(name)}" if name else self._root
