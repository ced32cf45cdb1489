"""Read [site]: where people find the site (pure)."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from slipway.settings import checks
from slipway.toml import Table

AUTHORITIES = ("acme", "internal")
# ACME is spoken over TLS only (RFC 8555, section 6.1).
DIRECTORY = re.compile(r"(https://[\w.\[\]:-]+(/[\w./%~-]*)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Site:
    """Hold where the site is found: its public URL and further domain names."""

    url: str
    aliases: tuple[str, ...] = ()
    tls: str = "acme"
    acme_directory: str = ""
    acme_root_file: Path | None = None

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


def read(table: Table, root: Path) -> Site:
    """Read the table; what is wrong goes to its problems, relative paths start at `root`."""
    url = table.text("url", check=checks.url, example='"https://www.example.com"')
    aliases = table.texts("aliases")
    for alias in aliases:
        if not checks.HOST.fullmatch(alias):
            table.problems.add(
                f"site.aliases: {alias!r} is no host name", "write it like example.com"
            )
    tls = table.text("tls", "acme", check=_authority, example='"acme"')
    directory = table.text("acme_directory", "", check=_directory)
    root_file = table.path("acme_root_file", root)
    if directory and tls != "acme":
        table.problems.add("site.acme_directory is asked with tls = acme only", "leave one out")
    if root_file and not directory:
        table.problems.add("site.acme_root_file belongs to acme_directory", "set that too")
    table.finish()
    return Site(url.rstrip("/"), aliases, tls, directory, root_file)


def _authority(text: str) -> str | None:
    known = ", ".join(AUTHORITIES)
    return None if text in AUTHORITIES else f"is no authority (known: {known})"


def _directory(text: str) -> str | None:
    return None if DIRECTORY.fullmatch(text) else "is no https URL of a directory"
