"""Read and write what Azure's blob service says in XML and headers (pure)."""

import base64
import binascii
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from slipway.errors import StorageError
from slipway.objects.listing import Object, Page

ETAG = "slipwayetag"  # of a blob that was sent in parts; names of metadata are identifiers
BLOCK = re.compile(r"([0-9a-f]+)-(\d{5})-([0-9a-f]{32})")


def blobs(body: str, folder: str) -> Page:
    """Read a page of List Blobs; folders of accounts that have them are left out."""
    page = _parse(body)
    named = [(_name(blob).removeprefix(folder), blob) for blob in page.iterfind("Blobs/Blob")]
    found = [
        Object(name, _size(blob), _etag(blob))
        for name, blob in named
        if name and blob.findtext("Metadata/hdi_isfolder") != "true"
    ]
    return Page(found, page.findtext("NextMarker") or "")


def blocks(body: str) -> Iterator[tuple[str, int, str, int]]:
    """Read Get Block List: token, number, MD5 and size of each part that this program sent."""
    for block in _parse(body).iterfind("UncommittedBlocks/Block"):
        try:
            name = base64.b64decode(block.findtext("Name") or "").decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            continue
        match = BLOCK.fullmatch(name)
        if match:
            yield match[1], int(match[2]), match[3], int(block.findtext("Size") or 0)


def block_list(names: Sequence[str]) -> bytes:
    """Write the body of Put Block List."""
    rows = "".join(f"<Latest>{name}</Latest>" for name in names)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()


def etag_of(headers: Mapping[str, str]) -> str:
    """Return the ETag of a blob from the headers of an answer, as the listing has it."""
    md5 = headers.get("x-ms-blob-content-md5") or (
        "" if "content-range" in headers else headers.get("content-md5", "")
    )
    return _chosen(headers.get(f"x-ms-meta-{ETAG}", ""), md5, headers.get("etag", ""))


def _etag(blob: ElementTree.Element) -> str:
    return _chosen(
        blob.findtext(f"Metadata/{ETAG}") or "",
        blob.findtext("Properties/Content-MD5") or "",
        blob.findtext("Properties/Etag") or "",
    )


def _chosen(noted: str, md5: str, etag: str) -> str:
    if noted:
        return noted
    try:
        return base64.b64decode(md5, validate=True).hex() or etag.strip('"')
    except binascii.Error:
        return etag.strip('"')


def _name(blob: ElementTree.Element) -> str:
    name = blob.find("Name")
    text = "" if name is None else name.text or ""
    return unquote(text) if name is not None and name.get("Encoded") == "true" else text


def _size(blob: ElementTree.Element) -> int:
    return int(blob.findtext("Properties/Content-Length") or 0)


def _parse(body: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body.lstrip("\ufeff"))  # noqa: S314 - the DSN's storage
    except (ElementTree.ParseError, ValueError):
        raise StorageError(
            "the object storage", "answers with something else than Azure", "check storage.endpoint"
        ) from None
