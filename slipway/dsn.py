"""Read and write DEFAULT_STORAGE_DSN and DATABASE_URL (pure).

The storage grammars are those of django-storage-url 0.12 and what `app/cloud` adds to them:
`s3` in dsn_s3.py, `az` in dsn_az.py, `file:///PATH/?url=…` here.
"""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from slipway import dsn_az, dsn_s3
from slipway.dsn_az import AzDsn
from slipway.dsn_s3 import S3Dsn
from slipway.errors import DsnError
from slipway.secrets import Secret

__all__ = ["AzDsn", "DatabaseDsn", "FileDsn", "S3Dsn", "StorageDsn", "database", "storage"]
DATABASE_EXAMPLE = "postgres://USER:PASSWORD@HOST:5432/NAME"


@dataclass(frozen=True, slots=True)
class FileDsn:
    """Hold a folder and the URL path under which its files are served."""

    path: str
    url: str

    @property
    def base_url(self) -> str:
        """Return the URL under which files are read, with a slash at the end."""
        return f"{self.url.rstrip('/')}/"

    def url_of(self, name: str) -> str:
        """Return the URL of the file `name`."""
        return self.base_url + quote(name)

    def render(self) -> Secret:
        """Return the DSN."""
        return Secret(f"file://{self.path.rstrip('/')}/?url={quote(self.url, safe='')}")


StorageDsn = S3Dsn | AzDsn | FileDsn


@dataclass(frozen=True, slots=True)
class DatabaseDsn:
    """Hold how a PostgreSQL database is reached.

    `sslrootcert` is the path of the authorities' certificates, as whoever connects sees it.
    """

    user: str
    password: Secret
    host: str
    name: str
    port: int = 5432
    sslmode: str = ""
    sslrootcert: str = ""

    def render(self) -> Secret:
        """Return the URL, as dj-database-url reads it."""
        user = f"{quote(self.user, safe='')}:{quote(self.password.reveal(), safe='')}"
        known = {"sslmode": self.sslmode, "sslrootcert": self.sslrootcert}
        given = urlencode({name: value for name, value in known.items() if value}, safe="/")
        query = f"?{given}" if given else ""
        return Secret(
            f"postgres://{user}@{self.host}:{self.port}/{quote(self.name, safe='')}{query}"
        )


def storage(text: Secret, where: str = "DEFAULT_STORAGE_DSN") -> StorageDsn:
    """Read a storage DSN; raises DsnError, which never shows the DSN."""
    parts = _split(text, where, dsn_s3.EXAMPLE)
    if parts.scheme == "file":
        return _file(parts, where)
    if parts.scheme == "s3":
        return dsn_s3.parse(parts, where)
    if parts.scheme == "az":
        return dsn_az.parse(parts, where)
    raise DsnError(where, f"the scheme {parts.scheme!r} is not supported", "known: s3, az, file")


def database(text: Secret, where: str = "DATABASE_URL") -> DatabaseDsn:
    """Read a database URL; raises DsnError, which never shows it."""
    parts = _split(text, where, DATABASE_EXAMPLE)
    if parts.scheme not in {"postgres", "postgresql"}:
        what = f"the scheme {parts.scheme!r} is not supported"
        raise DsnError(where, what, f"only PostgreSQL can be moved: use {DATABASE_EXAMPLE}")
    if not (parts.username and parts.hostname and parts.path.strip("/")):
        raise DsnError(where, "user, host or database name is missing", f"use {DATABASE_EXAMPLE}")
    query = parse_qs(parts.query)
    return DatabaseDsn(
        user=unquote(parts.username),
        password=Secret(unquote(parts.password or "")),
        host=parts.hostname,
        name=unquote(parts.path.strip("/")),
        port=parts.port or 5432,
        sslmode=query.get("sslmode", [""])[-1],
        sslrootcert=query.get("sslrootcert", [""])[-1],
    )


def _split(text: Secret, where: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(text.reveal())
        _ = parts.port
    except ValueError:
        raise DsnError(
            where,
            "cannot be read",
            f"write special characters as / is written, %2F; it looks like {example}",
        ) from None
    return parts


def _file(parts: SplitResult, where: str) -> FileDsn:
    url = parse_qs(parts.query).get("url", [""])[0]
    if parts.netloc or not parts.path.strip("/"):
        raise DsnError(
            where, "the folder is not absolute", "use file:///data/media/?url=%2Fmedia%2F"
        )
    return FileDsn(parts.path, url)
