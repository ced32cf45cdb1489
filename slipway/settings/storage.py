"""Read [storage]: which container is wanted, how it is kept, whose credentials make it (pure)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from slipway.settings import checks
from slipway.settings.site import Site
from slipway.toml import Table

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LOOKS_LIKE_AN_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
# What AWS keeps for itself.
RESERVED = (("xn--", "sthree-", "amzn-s3-demo-"), ("-s3alias", "--ol-s3", ".mrap", "--x-s3"))
CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
PROVIDERS = ("s3", "azure", "volume")


@dataclass(frozen=True, slots=True)
class Storage:
    """Hold which container is wanted, how it is kept, and whose credentials make it.

    `versions_days` and `uploads_days` are days; 0 leaves the server's rules alone.
    """

    provider: str
    bucket: str
    region: str = "us-east-1"
    endpoint: str = ""
    prefix: str = ""
    domain: str = ""
    public: bool = True
    cors_origins: tuple[str, ...] = ()
    profile: str = ""
    credentials_file: Path | None = None
    site_profile: str = ""
    versioning: bool = False
    versions_days: int = 0
    uploads_days: int = 0
    encryption: bool = False
    tls_only: bool = False
    tags: tuple[tuple[str, str], ...] = field(default=())

    @property
    def folder(self) -> str:
        """Return the prefix as keys begin with it: with a slash at its end, or empty."""
        return f"{self.prefix}/" if self.prefix else ""


def read(table: Table, root: Path, site: Site) -> Storage:
    """Read the table; what is wrong goes to its problems."""
    endpoint = table.text("endpoint", "", check=checks.endpoint, example='"https://s3.example.com"')
    provider = table.text("provider", check=_provider, example='"s3"')
    plain = endpoint.startswith("http://")
    volume = provider == "volume"
    storage = Storage(
        provider=provider,
        bucket=table.text("bucket", "media" if volume else None, check=_name(provider),
                          example='"myapp-test"'),
        region=table.text("region", "us-east-1"),
        endpoint=endpoint.rstrip("/"),
        prefix=table.text("prefix", "", check=_prefix).strip("/"),
        domain=table.text("domain", "", check=checks.address, example='"media.example.com"'),
        public=table.flag("public", True),
        cors_origins=table.texts("cors_origins", (site.url,)),
        profile=table.text("profile", ""),
        credentials_file=table.path("credentials_file", root),
        site_profile=table.text("site_profile", ""),
        versioning=table.flag("versioning", True),
        versions_days=table.number("versions_days", 30, 0, 3650),
        uploads_days=table.number("uploads_days", 7, 0, 365),
        encryption=table.flag("encryption", not endpoint),
        tls_only=table.flag("tls_only", not endpoint),
        tags=tuple(sorted(table.table("tags").pairs())),
    )  # fmt: skip
    _judge(table, storage, plain=plain)
    table.finish()
    return storage


def _judge(table: Table, storage: Storage, *, plain: bool) -> None:
    """Report settings that contradict each other."""
    if storage.domain and not storage.public:
        table.problems.add(
            "storage.domain does not go with public = false: signed URLs name the server itself",
            "remove domain",
        )
    if storage.tls_only and plain:
        table.problems.add(
            "storage.tls_only does not go with an http endpoint", "remove it, or use https"
        )
    if storage.provider == "volume" and not storage.public:
        table.problems.add(
            "storage.public = false is not possible for a volume",
            "use s3 or azure for private media",
        )


def _provider(text: str) -> str | None:
    return None if text in PROVIDERS else f"is not supported (known: {', '.join(PROVIDERS)})"


def _prefix(text: str) -> str | None:
    parts = text.strip("/").split("/")
    wrong = text and any(part in {"", ".", ".."} for part in parts)
    return "has an empty, . or .. part" if wrong else None


def _name(provider: str) -> checks.Check:
    return {"azure": _container, "volume": checks.name}.get(provider, _bucket)


def _bucket(text: str) -> str | None:
    begins, ends = RESERVED
    legal = BUCKET.fullmatch(text) and not re.search(r"\.[.-]|-\.", text)
    legal = legal and not LOOKS_LIKE_AN_ADDRESS.fullmatch(text)
    legal = legal and not text.startswith(begins) and not text.endswith(ends)
    return None if legal else "is no legal bucket name: 3 to 63 small letters, digits, - and ."


def _container(text: str) -> str | None:
    if CONTAINER.fullmatch(text):
        return None
    return "is no legal container name: 3 to 63 small letters, digits and single -"
