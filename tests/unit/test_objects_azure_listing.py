import base64

import pytest

from slipway.errors import StorageError
from slipway.objects import azure_listing
from slipway.objects.listing import Object, Page

MD5 = base64.b64encode(bytes(range(16))).decode()
PAGE = f"""\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>
<Blob><Name>one/</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>
<Blob><Name>one/a&amp;b.txt</Name><Properties><Etag>0x8D</Etag><Content-Length>5</Content-Length>
<Content-MD5>{MD5}</Content-MD5></Properties><Metadata /></Blob>
<Blob><Name>one/large</Name><Properties><Etag>0x8E</Etag><Content-Length>9</Content-Length>
<Content-MD5>{MD5}</Content-MD5></Properties><Metadata><slipwayetag>abc-2</slipwayetag></Metadata></Blob>
<Blob><Name Encoded="true">one/a%1Fb</Name><Properties><Etag>"0x8F"</Etag>
<Content-Length>0</Content-Length><Content-MD5 /></Properties></Blob>
<Blob><Name>one/folder</Name><Properties />
<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>
</Blobs><NextMarker>next</NextMarker></EnumerationResults>"""


def test_a_page_tells_names_sizes_and_what_stands_for_content_of_all_but_folders() -> None:
    assert azure_listing.blobs(PAGE, "one/") == Page(
        [
            Object("a&b.txt", 5, bytes(range(16)).hex()),
            Object("large", 9, "abc-2"),
            Object("a\x1fb", 0, "0x8F"),
        ],
        "next",
    )


@pytest.mark.parametrize(
    ("headers", "etag"),
    [
        ({"content-md5": MD5, "etag": '"0x8D"'}, bytes(range(16)).hex()),
        ({"x-ms-blob-content-md5": MD5, "content-range": "bytes 0-1/5"}, bytes(range(16)).hex()),
        ({"content-md5": MD5, "content-range": "bytes 0-1/5", "etag": '"0x8D"'}, "0x8D"),
        ({"x-ms-meta-slipwayetag": "abc-2", "content-md5": MD5}, "abc-2"),
        ({"content-md5": "n-ne", "etag": '"0x8D"'}, "0x8D"),
    ],
)
def test_answers_name_the_same_etag_as_the_listing(headers: dict[str, str], etag: str) -> None:
    assert azure_listing.etag_of(headers) == etag


def test_parts_of_others_are_not_taken_for_ours() -> None:
    own = base64.b64encode(b"0a1b2c3d-00002-" + b"f" * 32).decode()
    strange = base64.b64encode(b"\xff\xfe").decode()
    rows = "".join(
        f"<Block><Name>{name}</Name><Size>7</Size></Block>"
        for name in (own, strange, "!", base64.b64encode(b"block-1").decode())
    )
    body = f"<BlockList><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>"
    assert list(azure_listing.blocks(body)) == [("0a1b2c3d", 2, "f" * 32, 7)]


def test_something_else_than_azure_is_named() -> None:
    with pytest.raises(StorageError, match="answers with something else than Azure"):
        azure_listing.blobs("<html>", "")
