"""Sign requests to Azure's blob service with an account's key (pure).

Source: "Authorize with Shared Key" in the Azure Storage REST API reference.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

VERSION = "2021-12-02"
SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type",
    "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


def authorization(
    account: str, key: str, method: str, path: str, query: Mapping[str, str],
    headers: Mapping[str, str],
) -> str:  # fmt: skip
    """Return the header that proves the key, which is in base64.

    `path` is escaped, as it is sent; names of headers are in small letters; `query` is not
    escaped.
    """
    lines = [method, *(headers.get(name, "") for name in SIGNED)]
    lines[3] = "" if lines[3] == "0" else lines[3]
    own = sorted(name for name in headers if name.startswith("x-ms-"))
    lines += [f"{name}:{headers[name]}" for name in own]
    lines.append(f"/{account}{path}")
    lines += [f"{name.lower()}:{query[name]}" for name in sorted(query, key=str.lower)]
    digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


def query_string(query: Mapping[str, str], signature: str = "") -> str:
    """Return a query with, where there is one, the shared access signature behind it."""
    return "&".join(filter(None, (urlencode(query), signature)))
