"""Read the versions that a bucket of S3 keeps of an object, and bring one back."""

import re
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from slipway.dsn import S3Dsn
from slipway.objects import keys, refusals
from slipway.objects.bucket import ObjectError
from slipway.objects.pool import Counter
from slipway.objects.requests import Requests


class Version(NamedTuple):
    """Hold one version; a deletion is one, too, of size 0 and without an ETag."""

    identity: str
    etag: str
    size: int
    stored: str  # as the storage writes it: ISO 8601, UTC
    deleted: bool


class Versions:
    """Reach the versions of a bucket with the key of a DSN, from any number of threads."""

    def __init__(self, dsn: S3Dsn) -> None:
        self._dsn = dsn
        self._api = Requests(dsn, Counter())
        self._folder = f"{dsn.prefix}/" if dsn.prefix else ""

    def kept(self) -> bool:
        """Tell whether the bucket keeps versions; raises StorageError."""
        answer = self._api.send("GET", "", {"versioning": ""})
        if answer.status == 403:  # the key may not ask; the versions themselves will tell
            return True
        if answer.status in {405, 501}:  # a server without versions
            return False
        if answer.status >= 300:
            raise refusals.of_answer(self._dsn, answer.status, answer.text)
        return refusals.element(answer.text, "Status") == "Enabled"

    def of(self, name: str) -> list[Version]:
        """Return the versions of an object, the newest first; raises StorageError."""
        key = self._folder + name
        text = self._api.ask("GET", "", {"versions": "", "prefix": key, "max-keys": "1000"})
        return parse(text, key)

    def restore(self, name: str, version: Version) -> None:
        """Make a version the newest one, with its type and metadata; raises StorageError."""
        key = self._folder + name
        source = keys.quoted(f"/{self._dsn.bucket}/{key}")
        headers = {"x-amz-copy-source": f"{source}?versionId={version.identity}"}
        # A copy has no ACL of what it is a copy of.
        headers |= {"x-amz-acl": self._dsn.public_acl} if self._dsn.public_acl else {}
        answer = self._api.send("PUT", key, {}, b"", headers)
        if answer.status >= 300:
            problem = refusals.of_answer(self._dsn, answer.status, answer.text)
            raise ObjectError(name, problem.what, problem.hint)


def parse(body: str, key: str) -> list[Version]:
    """Read ListObjectVersions, for one key (pure)."""
    page = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", body, count=1))  # noqa: S314
    found = [
        Version(
            entry.findtext("VersionId") or "null",
            (entry.findtext("ETag") or "").strip('"'),
            int(entry.findtext("Size") or 0),
            entry.findtext("LastModified") or "",
            entry.tag == "DeleteMarker",
        )
        for entry in page
        if entry.tag in {"Version", "DeleteMarker"} and entry.findtext("Key") == key
    ]
    latest = {
        entry.findtext("VersionId") or "null"
        for entry in page
        if entry.findtext("IsLatest") == "true" and entry.findtext("Key") == key
    }
    # Kinds may come apart from each other; the time has no more than a second.
    found.sort(key=lambda one: one.stored, reverse=True)
    return sorted(found, key=lambda one: one.identity not in latest)
