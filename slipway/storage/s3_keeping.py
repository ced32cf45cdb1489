"""Say how a bucket keeps what is in it: versions, unfinished uploads, encryption, tags (pure)."""

from typing import Any

from slipway.settings.storage import Storage
from slipway.storage.s3_rules import Document, State, below

LOSES_VERSIONS = "what is overwritten or deleted from then on is lost at once"


def lifecycle(storage: Storage, name: str) -> Document | None:
    """Return the own lifecycle rule, or None where nothing is to be cleared away.

    Old versions only: objects that are there stay, however old they are.
    """
    rule: dict[str, Any] = {}
    if storage.versioning and storage.versions_days:
        rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": storage.versions_days}
    if storage.uploads_days:
        rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": storage.uploads_days}
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": storage.folder}, **rule} if (
        rule
    ) else None  # fmt: skip


def own_rule(found: list[Document] | None, name: str) -> Document | None:
    """Return the own lifecycle rule as it is found, or None."""
    return next((rule for rule in found or [] if rule.get("ID") == name), None)


def same_lifecycle(found: list[Document] | None, wanted: Document | None, name: str) -> bool:
    """Tell whether the own lifecycle rule does what is wanted."""
    return _meaning(own_rule(found, name)) == _meaning(wanted)


def with_lifecycle(
    found: list[Document] | None, wanted: Document | None, name: str
) -> list[Document]:
    """Return the lifecycle rules with the own one as wanted, and all others as they are."""
    others = [rule for rule in found or [] if rule.get("ID") != name]
    return [*others, wanted] if wanted else others


def loss_by_lifecycle(state: State, wanted: Document | None, storage: Storage) -> str:
    """Return what a change of the own rule would lose of the versions that are kept, or nothing."""
    days = versions_days(wanted)
    # Where versioning was suspended, versions of before are there all the same.
    if not days or not state.versioning:
        return ""
    at_work = (versions_days(one) for one in state.lifecycle or [] if _covers(one, storage.folder))
    before = min(filter(None, at_work), default=0)
    if before and before <= days:
        return ""
    kept = f"{before} days" if before else "for ever"
    return f"old versions were kept {kept}; those older than {days} days are deleted"


def _covers(rule: Document, folder: str) -> bool:
    """Tell whether a rule is at work on all objects of a folder."""
    chosen = rule.get("Filter", {}).keys() - {"Prefix"}
    return rule.get("Status") == "Enabled" and not chosen and folder.startswith(below(rule))


def versions_days(rule: Document | None) -> int:
    """Return how many days a rule keeps old versions, 0 for ever."""
    expiration = (rule or {}).get("NoncurrentVersionExpiration", {})
    return int(expiration.get("NoncurrentDays", 0))


def with_tags(found: Document | None, storage: Storage) -> dict[str, str]:
    """Return the bucket's tags with the wanted ones among them."""
    return {**(found or {}), **dict(storage.tags)}


def _meaning(rule: Document | None) -> tuple[object, ...] | None:
    if rule is None:
        return None
    upload = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return rule.get("Status"), below(rule), versions_days(rule), upload
