"""Turn what an object storage refuses into one line (pure)."""

import re
from typing import Protocol

from slipway.dsn import S3Dsn
from slipway.errors import StorageError

PROVISION = "run 'invoke provision'"
CODES = {
    "InvalidAccessKeyId": ("does not know the access key of the DSN", PROVISION),
    "SignatureDoesNotMatch": ("refuses the secret of the DSN's access key", PROVISION),
    "AccessDenied": ("forbids this to the access key of the DSN", PROVISION),
    "AllAccessDisabled": ("has locked this bucket", "ask the provider"),
    "NoSuchBucket": ("has no such bucket", PROVISION),
    "RequestTimeTooSkewed": ("says that this machine's clock is wrong", "set the clock"),
    "InvalidObjectState": ("is archived, and must be restored first", "restore it at the provider"),
    "QuotaExceeded": ("has no room left for this bucket", "raise its quota, then run it again"),
}
REDIRECTS = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
CAUSES = (
    (r"builder error", "is not asked: SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a damaged file",
     "mend it, or unset the variable"),
    (r"certificate|CERTIFICATE", "shows a certificate that this machine does not trust",
     "put its authority's certificate into the file that SSL_CERT_FILE names"),
    (r"Name or service not known|name resolution|No address associated|dns error|nodename",
     "cannot be found by name", "check storage.endpoint"),
    (r"refused", "refuses connections", "is it running, and is storage.endpoint right?"),
    (r"timed out|timeout|unreachable|No route", "does not answer",
     "check storage.endpoint and the network"),
    (r"WRONG_VERSION_NUMBER|wrong version number|record layer", "does not speak TLS",
     "check whether storage.endpoint begins with http or https"),
)  # fmt: skip


class Server(Protocol):
    """Describe what messages name: the bucket, and the address that requests go to."""

    @property
    def bucket(self) -> str:
        """Return the bucket's name."""

    @property
    def api(self) -> str:
        """Return the server's address."""


def where(dsn: Server) -> str:
    """Name a bucket for messages: `bucket at host`."""
    return f"{dsn.bucket} at {dsn.api.partition('//')[2]}"


def of_answer(dsn: S3Dsn, status: int, body: str) -> StorageError:
    """Explain an answer with an error status, whose body is S3's XML."""
    code = element(body, "Code")
    if code in REDIRECTS:
        region = element(body, "Region") or "another one"
        return StorageError(
            where(dsn), f"the bucket is in region {region}, not {dsn.region}", "set storage.region"
        )
    if code in CODES:
        return StorageError(where(dsn), *CODES[code])
    said = element(body, "Message") or code or "no reason given"
    hint = "run it again later" if status >= 500 and status != 501 else "check storage.endpoint"
    return StorageError(where(dsn), f"answered {status}: {said}", hint)


def of_failure(dsn: Server, said: str) -> StorageError:
    """Explain a connection that failed, from what the library said about it."""
    for pattern, what, hint in CAUSES:
        if re.search(pattern, said):
            return StorageError(where(dsn), what, hint)
    lines = said.strip().splitlines() or ["no reason given"]
    return StorageError(where(dsn), f"cannot be reached: {lines[0]}", "check storage.endpoint")


def element(body: str, name: str) -> str:
    """Return the text of the first XML element `name`, or an empty text."""
    found = re.search(f"<{name}>([^<]*)</{name}>", body)
    return found.group(1) if found else ""
