"""Read and write `az` DSNs (pure).

The grammar is that of django-storage-url 0.12, `az://ACCOUNT:CREDENTIAL@HOST/CONTAINER/?…`, with
the parameters domain and url. CREDENTIAL is the account's key, or a shared access signature in
base64. What `app/cloud` adds to it: endpoint (with scheme, port and path), prefix, qs_auth,
cache_control and expire.
"""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from slipway.errors import DsnError
from slipway.secrets import Secret

EXAMPLE = "az://ACCOUNT:KEY@blob.core.windows.net/CONTAINER/"
HOST = "blob.core.windows.net"
YES = {"true", "1", "yes", "on"}


@dataclass(frozen=True, slots=True)
class AzDsn:
    """Hold a container, the credential that opens it, and how its blobs are reached.

    `key` is the account's key (base64) or a shared access signature (`sv=…&sig=…`); `endpoint`
    is empty for Azure itself, else the account's address, as `http://HOST:10000/ACCOUNT`;
    `prefix` has no slash at either end; `expire` in seconds, 0 for one hour.
    """

    account: str
    key: Secret
    container: str
    endpoint: str = ""
    prefix: str = ""
    domain: str = ""
    public: bool = True
    url: str = ""
    cache_control: str = ""
    expire: int = 0

    @property
    def is_sas(self) -> bool:
        """Tell whether the credential is a shared access signature."""
        return "sig" in parse_qs(self.key.reveal())

    @property
    def api(self) -> str:
        """Return the account's address, without container."""
        return self.endpoint or f"https://{self.account}.{HOST}"

    @property
    def root(self) -> str:
        """Return the URL of the container itself, without a slash at the end."""
        return f"{self.api}/{self.container}"

    @property
    def base_url(self) -> str:
        """Return the URL under which blobs are read, with a slash at the end."""
        if self.url:
            return f"{self.url.rstrip('/')}/"
        folder = f"{quote(self.prefix)}/" if self.prefix else ""
        root = f"https://{self.domain}/{self.container}" if self.domain else self.root
        return f"{root}/{folder}"

    def url_of(self, name: str) -> str:
        """Return the public URL of the blob `name`, relative to the prefix."""
        return self.base_url + quote(name)

    def render(self) -> Secret:
        """Return the DSN."""
        text = self.key.reveal()
        credential = base64.b64encode(text.encode("ascii")).decode() if self.is_sas else text
        host = urlsplit(self.endpoint).netloc or HOST
        said = {
            "endpoint": self.endpoint,
            "prefix": self.prefix,
            "domain": self.domain,
            "url": self.url,
            "qs_auth": "" if self.public else "true",
            "cache_control": self.cache_control,
            "expire": str(self.expire or ""),
        }
        query = urlencode({name: value for name, value in said.items() if value})
        user = f"{quote(self.account, safe='')}:{quote(credential, safe='')}"
        return Secret(f"az://{user}@{host}/{self.container}/{f'?{query}' if query else ''}")


def parse(parts: SplitResult, where: str) -> AzDsn:
    """Read a DSN that is split already; raises DsnError, which never shows it."""
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    container, expire = parts.path.strip("/"), query.get("expire", "0")
    if not (container and parts.username and parts.password):
        raise DsnError(where, "account, key or container is missing", f"use {EXAMPLE}")
    if not expire.isdecimal():
        raise DsnError(where, "expire is no number of seconds", "write it like expire=3600")
    return AzDsn(
        account=unquote(parts.username),
        key=Secret(_signature(unquote(parts.password)) or unquote(parts.password)),
        container=container,
        endpoint=query.get("endpoint", "").rstrip("/"),
        prefix=query.get("prefix", "").strip("/"),
        domain=query.get("domain", ""),
        public=query.get("qs_auth", "false").lower() not in YES,
        url=query.get("url", ""),
        cache_control=query.get("cache_control", ""),
        expire=int(expire),
    )


def _signature(credential: str) -> str:
    """Return the shared access signature that a credential holds, or nothing."""
    try:
        text = base64.b64decode(credential + "=" * (-len(credential) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if "sig" in parse_qs(text) else ""
