"""Keep an environment's secrets out of what programs say (pure)."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote

from slipway import dsn
from slipway.environment import Environment
from slipway.errors import DsnError
from slipway.secrets import Secret

PUBLIC = frozenset({"STAGE", "SITE_URL", "DOMAIN", "DOMAIN_ALIASES", "DEBUG"})
# A shorter value is no secret worth the name, and would blot out ordinary words.
SHORTEST = 6


def masker(environment: Environment) -> Callable[[str], str]:
    """Return a function that replaces the environment's secrets in a text by `***`."""
    found = {form for secret in _secrets(environment.variables) for form in _forms(secret.reveal())}
    values = sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)

    def mask(text: str) -> str:
        for value in values:
            text = text.replace(value, "***")
        return text

    return mask


def _forms(value: str) -> Iterator[str]:
    """Yield a value as programs may write it: escaped, quoted, or a line at a time."""
    yield value
    yield from (line.strip() for line in value.splitlines())
    yield quote(value, safe="")
    yield repr(value)[1:-1]
    yield from (json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False))


def _secrets(variables: Mapping[str, Secret]) -> Iterator[Secret]:
    for name, value in variables.items():
        if name not in PUBLIC:
            yield value
    # Programs name the parts of a DSN, not the whole.
    with suppress(DsnError):
        yield dsn.database(variables.get("DATABASE_URL", Secret(""))).password
    with suppress(DsnError):
        storage = dsn.storage(variables.get("DEFAULT_STORAGE_DSN", Secret("")))
        if isinstance(storage, dsn.S3Dsn):
            yield storage.secret
        if isinstance(storage, dsn.AzDsn):
            yield storage.key
