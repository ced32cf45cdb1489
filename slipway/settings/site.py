"""Read [site]: where people find the site (pure)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from slipway.settings import checks
from slipway.toml import Table

AUTHORITIES = ("acme", "internal")


@dataclass(frozen=True, slots=True)
class Site:
    """Hold where the site is found: its public URL and further domain names."""

    url: str
    aliases: tuple[str, ...] = ()
    tls: str = "acme"

    @property
    def domain(self) -> str:
        """Return the URL's host name, without port."""
        return urlsplit(self.url).hostname or ""

    @property
    def netloc(self) -> str:
        """Return what a browser sends as Host: the name and, where unusual, the port."""
        return urlsplit(self.url).netloc

    @property
    def secure(self) -> bool:
        """Return whether the site is served over TLS."""
        return urlsplit(self.url).scheme == "https"


def read(table: Table) -> Site:
    """Read the table; what is wrong goes to its problems."""
    url = table.text("url", check=checks.url, example='"https://www.example.com"')
    aliases = table.texts("aliases")
    for alias in aliases:
        if not checks.HOST.fullmatch(alias):
            table.problems.add(
                f"site.aliases: {alias!r} is no host name", "write it like example.com"
            )
    tls = table.text("tls", "acme", check=_authority, example='"acme"')
    table.finish()
    return Site(url.rstrip("/"), aliases, tls)


def _authority(text: str) -> str | None:
    known = ", ".join(AUTHORITIES)
    return None if text in AUTHORITIES else f"is no authority (known: {known})"
