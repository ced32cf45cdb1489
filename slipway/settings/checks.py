"""Judge single settings: each function returns what is wrong with a text, or None (pure)."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
SIZE = re.compile(r"[1-9][0-9]*[MG]")
Check = Callable[[str], str | None]
HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?")


def name(text: str) -> str | None:
    """Judge the name of a project, an environment or a host."""
    return None if NAME.fullmatch(text) else "may hold small letters, digits and hyphens only"


def address(text: str) -> str | None:
    """Judge an IP address or a host name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None if HOST.fullmatch(text) else "is neither an address nor a host name"
    return None


def size(text: str) -> str | None:
    """Judge an amount of memory or disk."""
    return None if SIZE.fullmatch(text) else "is no size like 500M or 2G"


def url(text: str) -> str | None:
    """Judge an http or https URL of a server, without path and query."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        return "is no http or https URL"
    return None if parts.path in {"", "/"} and not parts.query else "has a path or a query"


def endpoint(text: str) -> str | None:
    """Judge the URL of a storage; an account of Azurite is named in its path."""
    return url(text.partition("://")[0] + "://" + text.partition("://")[2].partition("/")[0])
