"""Say what a container on Azure should look like, and make its signatures.

A service signature that names a stored access policy has the policy's rights and ends with it:
https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy
"""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import AccessPolicy, CorsRule, generate_container_sas

from slipway.dsn_az import HOST
from slipway.secrets import Secret
from slipway.settings.storage import Storage

__all__ = ["HOST"]
Rule = tuple[frozenset[str], frozenset[str], int]
PUBLIC = "anybody may read a blob, nobody may list"
PRIVATE = "blobs are private, read by signed URLs"
MARK = "slipway-"
NUMBER = re.compile(r"-\d+$")
# Read, add, create, write, delete, list: blobs of this container, and nothing else.
RIGHTS = "racwdl"
# A policy must end; one that is taken away ends at once.
END = datetime(2099, 1, 1, tzinfo=UTC)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
SECONDS = 3600


def access(storage: Storage) -> str | None:
    """Return who may read without a signature: blobs by their names, or nobody."""
    return "blob" if storage.public else None


def policy() -> AccessPolicy:
    """Return the policy that a site's signature names."""
    return AccessPolicy(permission=RIGHTS, start=BEGIN, expiry=END)


def policy_name(stack: str, number: int) -> str:
    """Return the name of an environment's policy; each new key has a number of its own."""
    return f"{MARK}{stack}-{number}"


def is_own(name: str, stack: str) -> bool:
    """Tell whether a policy is one of this environment's."""
    return name.rpartition("-")[0] == f"{MARK}{stack}" and name.rpartition("-")[2].isdecimal()


def neighbours(names: Iterable[str], stack: str) -> list[str]:
    """Name the other environments that have a policy in the container."""
    others = [name for name in names if name.startswith(MARK) and not is_own(name, stack)]
    return sorted({NUMBER.sub("", name.removeprefix(MARK)) for name in others})


def number(name: str) -> int:
    """Return the number in a policy's name."""
    return int(name.rpartition("-")[2])


def next_number(names: Iterable[str]) -> int:
    """Return the number of a new policy, above those of `names`.

    Seconds since the epoch: a number that returned would bring a revoked signature back to life.
    """
    return max([int(time.time()), *(number(name) + 1 for name in names)])


def policy_of(signature: str) -> str:
    """Return the policy that a signature names, or nothing."""
    return parse_qs(signature).get("si", [""])[0]


def sign(account: str, key: Secret, container: str, name: str) -> Secret:
    """Return a signature for a container by a policy; the same each time."""
    text = generate_container_sas(account, container, account_key=key.reveal(), policy_id=name)
    return Secret(text)


def cors_rule(storage: Storage) -> CorsRule:
    """Return the account's rule for this site: its pages may read."""
    return CorsRule(
        list(storage.cors_origins), ["GET", "HEAD"],
        allowed_headers=["*"], exposed_headers=["*"], max_age_in_seconds=SECONDS,
    )  # fmt: skip


def cors(storage: Storage) -> Rule:
    """Return what the wanted rule means."""
    return frozenset(storage.cors_origins), frozenset({"GET", "HEAD"}), SECONDS


def meaning(rule: CorsRule) -> Rule:
    """Return what a rule means, whatever its notation."""
    origins, methods = rule.allowed_origins, rule.allowed_methods
    return (
        frozenset(origins.split(",") if isinstance(origins, str) else origins),
        frozenset(methods.split(",") if isinstance(methods, str) else methods),
        int(rule.max_age_in_seconds),
    )


def account_of(endpoint: str) -> str:
    """Return the account that an address names: in its host, or an emulator's in its path."""
    parts = urlsplit(endpoint)
    if parts.netloc.endswith(f".{HOST}"):
        return parts.netloc.partition(".")[0]
    return parts.path.strip("/")
