"""Read S3's lists of objects, of unfinished uploads and of parts (pure)."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from slipway.errors import StorageError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# A tenth of the time that a parser of any XML takes; the answer's form is checked around it.
CONTENTS = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
KEY = re.compile(r"<Key>([^<]*)</Key>")
SIZE = re.compile(r"<Size>(\d+)</Size>")
MD5 = re.compile("[0-9a-f]{32}")  # also the ETag of what was not sent in parts
ETAG = re.compile(r"<ETag>(?:&quot;|&#34;|\")?([^<&\"]*)")


class Object(NamedTuple):
    """Hold what a listing tells of an object; `name` is relative to the prefix of the DSN."""

    name: str
    size: int
    etag: str


class Unfinished(NamedTuple):
    """Hold an upload in parts that was neither completed nor aborted."""

    name: str
    upload: str
    initiated: datetime


class Part(NamedTuple):
    """Hold a part that has arrived."""

    size: int
    etag: str


class Page(NamedTuple):
    """Hold a page of a listing; an empty token means that it is the last one."""

    objects: list[Object]
    token: str
    by_folders: bool = False  # the server lists as a file system does, not by letters


class Parts(NamedTuple):
    """Hold a page of parts by their numbers; an empty marker means that it is the last one."""

    parts: dict[int, Part]
    marker: str


def joined(parts: Sequence[str]) -> str:
    """Return the ETag that S3 gives to an object of parts with these MD5s."""
    whole = hashlib.md5(bytes.fromhex("".join(parts)), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(parts)}"


def objects(body: str, folder: str) -> Page:
    """Read a page of ListObjectsV2 that was asked for with `encoding-type=url`.

    What consoles put in a folder's place, an object with the folder's own name, is left out.
    """
    if "<ListBucketResult" not in body:
        raise _strange()
    encoded = "<EncodingType>url<" in body
    found = [_object(entry, folder, encoded) for entry in CONTENTS.findall(body)]
    found = [there for there in found if there.name]
    if "<IsTruncated>true<" not in body:
        return Page(found, "")
    token = re.search(r"<NextContinuationToken>([^<]+)<", body)
    if not token:  # some servers know the older listing alone: what follows would seem deleted
        raise _strange()
    return Page(found, unescape(token.group(1)))


def _object(entry: str, folder: str, encoded: bool) -> Object:
    key, size, etag = KEY.search(entry), SIZE.search(entry), ETAG.search(entry)
    if not key:
        raise _strange()
    text = key.group(1)
    if "&" in text:
        text = unescape(text)
    if encoded and ("%" in text or "+" in text):
        text = unquote_plus(text)
    return Object(
        text.removeprefix(folder),
        int(size.group(1)) if size else 0,
        etag.group(1) if etag else "",
    )


def uploads(body: str, folder: str) -> Iterator[Unfinished]:
    """Read the answer to ListMultipartUploads."""
    for entry in _parse(body).iterfind("Upload"):
        begun = datetime.fromisoformat(_text(entry, "Initiated"))
        yield Unfinished(
            _text(entry, "Key").removeprefix(folder),
            _text(entry, "UploadId"),
            begun if begun.tzinfo else begun.replace(tzinfo=UTC),
        )


def parts(body: str) -> Parts:
    """Read a page of ListParts."""
    page = _parse(body)
    found = {
        int(_text(entry, "PartNumber")): Part(
            int(_text(entry, "Size") or 0), _text(entry, "ETag").strip('"')
        )
        for entry in page.iterfind("Part")
    }
    more = _text(page, "IsTruncated") == "true"
    return Parts(found, _text(page, "NextPartNumberMarker") if more else "")


def failures(body: str) -> Iterator[tuple[str, str]]:
    """Read the answer to DeleteObjects: key and reason of each object that is still there."""
    for entry in _parse(body).iterfind("Error"):
        yield _text(entry, "Key"), _text(entry, "Message") or _text(entry, "Code")


def _parse(body: str) -> "Element":
    from xml.etree import ElementTree  # loaded only where somebody needs it

    try:
        # Without its namespace the answer is searched twice as fast.
        body = re.sub(r' xmlns="[^"]*"', "", body, count=1)
        return ElementTree.fromstring(body)  # noqa: S314 - the storage that the DSN trusts
    except ElementTree.ParseError:
        raise _strange() from None


def _strange() -> StorageError:
    return StorageError(
        "the object storage", "answers with something else than S3", "check storage.endpoint"
    )


def _text(element: "Element", name: str) -> str:
    return element.findtext(name) or ""
