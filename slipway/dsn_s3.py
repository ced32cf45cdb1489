"""Read and write `s3` DSNs (pure).

The grammar is that of django-storage-url 0.12, `s3://KEY:SECRET@BUCKET.HOST/PREFIX/?…`, with the
parameters region_name, addressing_style, auth, acl, qs_auth, domain and url. What `app/cloud` adds
to it: endpoint (scheme, host, port), prefix (quoted), acl=none, checksum=off, cache_control and
expire. The plain grammar is written wherever the unmodified library serves it.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from slipway.errors import DsnError
from slipway.secrets import Secret

EXAMPLE = "s3://KEY:SECRET@BUCKET.HOST/?…"
# What the library takes from the path, which it does not decode.
PLAIN_PREFIX = re.compile(r"\w[\w.~+=@,:-]*(/\w[\w.~+=@,:-]*)*", re.ASCII)
YES = {"true", "1", "yes", "on"}
# What says no more than a server does by itself, or nothing.
CLOSED_ACLS = {"", "none", "private", "bucket-owner-full-control"}
AWS = ".amazonaws.com"
# Servers on which a bucket is a host of its own and objects carry ACLs: the library serves them.
SERVED = (".digitaloceanspaces.com", ".your-objectstorage.com", ".wasabisys.com", ".scw.cloud",
          ".exo.io", ".linodeobjects.com", ".vultrobjects.com")  # fmt: skip
# Backblaze refuses the checksums that boto3 sends since 1.36.
REFUSES_CHECKSUMS = (".backblazeb2.com",)
MARKERS = (".s3-accesspoint-fips.dualstack.", ".s3-fips.dualstack.",
           ".s3-accesspoint.dualstack.", ".s3.dualstack.", ".s3-accesspoint.", ".s3-fips.",
           ".s3-", ".s3.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class S3Dsn:
    """Hold a bucket, the key that opens it, and how its objects are reached.

    `endpoint` (scheme, host, port) is empty for AWS; `prefix` has no slash at either end;
    `domain` is a CDN's, `url` an address for readers. `addressing` is path or virtual, `acl` a
    canned ACL or none, each empty for what fits the server; `expire` in seconds, 0 for one hour.
    """

    key: str
    secret: Secret
    bucket: str
    region: str
    endpoint: str = ""
    prefix: str = ""
    domain: str = ""
    public: bool = True
    url: str = ""
    addressing: str = ""
    acl: str = ""
    checksum: bool = True
    cache_control: str = ""
    expire: int = 0

    @property
    def api(self) -> str:
        """Return the address that requests go to, without bucket."""
        return self.endpoint or aws(self.region)

    @property
    def virtual(self) -> bool:
        """Tell whether the bucket is named in the host, not in the path."""
        if self.addressing:
            return self.addressing == "virtual"
        # A certificate for *.HOST does not hold for a bucket with dots.
        return "." not in self.bucket and (not self.endpoint or served(self.endpoint))

    @property
    def root(self) -> str:
        """Return the URL of the bucket itself, without a slash at the end."""
        scheme, _, host = self.api.partition("://")
        return f"{scheme}://{self.bucket}.{host}" if self.virtual else f"{self.api}/{self.bucket}"

    @property
    def base_url(self) -> str:
        """Return the URL under which objects are read, with a slash at the end."""
        if self.url:
            return f"{self.url.rstrip('/')}/"
        folder = f"{quote(self.prefix)}/" if self.prefix else ""
        return f"{f'https://{self.domain}' if self.domain else self.root}/{folder}"

    def url_of(self, name: str) -> str:
        """Return the public URL of the object `name`, relative to the prefix."""
        return self.base_url + quote(name)

    def render(self) -> Secret:
        """Return the DSN; raises DsnError for an endpoint that no host name can carry."""
        host = urlsplit(self.api).netloc
        if "[" in host:
            raise DsnError("storage.endpoint", "is an IPv6 address", "give it a host name")
        plain = PLAIN_PREFIX.fullmatch(self.prefix) is not None
        path = f"/{self.prefix}/" if plain else "/"
        user = f"{quote(self.key, safe='')}:{quote(self.secret.reveal(), safe='')}"
        query = self._grammar() | self._additions()
        if self.prefix and not plain:
            query["prefix"] = self.prefix
        return Secret(f"s3://{user}@{self.bucket}.{host}{path}?{urlencode(query)}")

    def _grammar(self) -> dict[str, str]:
        """Return what the library itself reads, and `endpoint` where it cannot serve."""
        style = "virtual" if self.virtual else "path"
        if self.is_plain:
            query = {"auth": "s3v4", "addressing_style": style}
            query |= {"region_name": self.region} if self.endpoint else {}
        else:
            query = {"endpoint": self.api, "region_name": self.region}
            query |= {"addressing_style": style, "auth": "s3v4"}
        acl = self.acl or self._usual_acl
        return {**query, "acl": acl} if acl else query

    @property
    def _usual_acl(self) -> str:
        if not self.endpoint:
            return "bucket-owner-full-control"
        if not served(self.endpoint):
            return ""
        return "public-read" if self.public else "private"

    @property
    def public_acl(self) -> str:
        """Return the ACL without which nobody but the owner reads an object, if there is one."""
        acl = self.acl or self._usual_acl
        return "" if acl in CLOSED_ACLS else acl

    def _additions(self) -> dict[str, str]:
        said = {
            "domain": self.domain,
            "url": self.url,
            "qs_auth": "" if self.public else "true",
            "checksum": "" if self.checksum else "off",
            "cache_control": self.cache_control,
            "expire": str(self.expire or ""),
        }
        return {name: value for name, value in said.items() if value}

    @property
    def is_plain(self) -> bool:
        """Tell whether the unmodified library reaches this very bucket from its host name."""
        if self.endpoint and not served(self.endpoint):
            return False
        host = urlsplit(self.api).netloc
        bucket, found, region = stock(f"{self.bucket}.{host}", self.region)
        return (bucket, found, region) == (self.bucket, host, self.region)


def aws(region: str) -> str:
    """Return the address of Amazon S3 in a region."""
    return f"https://s3.{region}{AWS}" + (".cn" if region.startswith("cn-") else "")


def served(endpoint: str) -> bool:
    """Tell whether the unmodified library can talk to a server: https, no port, ACLs."""
    parts = urlsplit(endpoint)
    return parts.scheme == "https" and parts.port is None and parts.netloc.endswith(SERVED)


def stock(host: str, region: str = "") -> tuple[str, str, str]:
    """Return bucket, host of the server and region as django-storage-url 0.12 reads them.

    `region` is what the DSN says by `region_name`; the library uses it only where the host
    does not tell. An empty region is one that it leaves to boto3.
    """
    for marker in MARKERS:
        bucket, found, rest = host.partition(marker)
        told = rest.partition(".")[0]
        if found and told not in {"control", "control-fips"}:
            return bucket, marker.lstrip(".") + rest, "" if told == "amazonaws" else told
    bucket, *rest_of_it = host.rsplit(".", 3)
    first = rest_of_it[0] if rest_of_it else ""
    return bucket, ".".join(rest_of_it), region or first.partition("-")[2]


def parse(parts: SplitResult, where: str) -> S3Dsn:
    """Read a DSN that is split already; raises DsnError, which never shows it."""
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    netloc, endpoint = parts.netloc.rpartition("@")[2].lower(), query.get("endpoint", "")
    bucket, endpoint, region = _place(netloc, endpoint.rstrip("/"), query.get("region_name", ""))
    if not (bucket and parts.username and parts.password):
        raise DsnError(where, "key, secret or bucket is missing", f"use {EXAMPLE}")
    found = S3Dsn(
        key=unquote(parts.username),
        secret=Secret(unquote(parts.password)),
        bucket=bucket,
        region=region or "us-east-1",
        endpoint=endpoint,
        prefix=query.get("prefix", "").strip("/") or parts.path.strip("/"),
        domain=query.get("domain", ""),
        public=query.get("qs_auth", "false").lower() not in YES,
        url=query.get("url", ""),
        checksum=query.get("checksum") != "off",
        cache_control=query.get("cache_control", ""),
        expire=_seconds(query.get("expire", "0"), where),
    )
    return _with_style(found, query)


def _place(netloc: str, endpoint: str, region: str) -> tuple[str, str, str]:
    """Return bucket, endpoint (empty for AWS) and region; a region that is named wins."""
    if endpoint:
        host = urlsplit(endpoint).netloc
        bucket = netloc.removesuffix(f".{host}")
        return "" if bucket == netloc else bucket, "" if AWS in host else endpoint, region
    bucket, host, told = stock(netloc.partition(":")[0], region)
    return bucket, "" if AWS in f".{host}" else f"https://{host}", region or told


def _with_style(found: S3Dsn, query: dict[str, str]) -> S3Dsn:
    """Keep of addressing and ACL what differs from what would be written anyway."""
    style, acl = query.get("addressing_style", ""), query.get("acl", "")
    if style in {"path", "virtual"} and (style == "virtual") != found.virtual:
        found = replace(found, addressing=style)
    return found if acl == found._grammar().get("acl", "") else replace(found, acl=acl)


def _seconds(text: str, where: str) -> int:
    if not text.isdecimal():
        raise DsnError(where, "expire is no number of seconds", "write it like expire=3600")
    return int(text)
