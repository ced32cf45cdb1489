"""Listings of Azure, whose order the account's kind decides, tried without a server."""

from collections.abc import Mapping, Sequence

import pytest

from slipway.dsn_az import AzDsn
from slipway.objects import azure
from slipway.objects.azure import AzureBucket, Upload
from slipway.objects.bucket import Meta
from slipway.objects.shards import Disordered, by_folders, by_letters
from slipway.objects.wire import Answer
from slipway.secrets import Secret

ROW = "<Blob><Name>{}</Name><Properties><Etag>0x8D</Etag></Properties></Blob>"


class Server:
    """List names in the order in which they are given, some a page."""

    def __init__(self, names: Sequence[str], size: int = 100) -> None:
        self.names, self.size = names, size

    def send(self, _: str, __: str, query: Mapping[str, str]) -> Answer:
        begin = int(query.get("marker", "0"))
        end = begin + self.size
        rows = "".join(ROW.format(f"{query['prefix']}{name}") for name in self.names[begin:end])
        more = str(end) if end < len(self.names) else ""
        body = f"<R><Blobs>{rows}</Blobs><NextMarker>{more}</NextMarker></R>"
        return Answer(200, {}, body.encode())


def bucket_of(server: Server) -> AzureBucket:
    made = AzureBucket(AzDsn("me", Secret("a2V5"), "media", "http://127.0.0.1:1/me", "test"))
    made._api = server  # type: ignore[assignment]
    return made


def test_names_by_letters_come_page_by_page() -> None:
    listing = bucket_of(Server(["a", "a-b", "a/x", "b"], 2)).listing(["b"])
    assert listing.order is by_letters
    assert [there.name for there in listing.objects] == ["a", "a-b", "a/x", "b"]


def test_an_account_with_folders_is_known_by_its_first_page() -> None:
    listing = bucket_of(Server(["a/x", "a-b", "b"])).listing()
    assert listing.order is by_folders
    assert [there.name for there in listing.objects] == ["a/x", "a-b", "b"]


@pytest.mark.parametrize(
    "names", [["a", "b/x", "b-c"], ["a/x", "a-b", "0"], ["\U0001f600", "\uffee"]]
)
def test_any_other_order_is_noticed_and_can_be_done_without(names: list[str]) -> None:
    server = Server(names, 2)
    with pytest.raises(Disordered):
        list(bucket_of(server).listing().objects)
    listing = bucket_of(server).listing(None)
    assert listing.order is by_letters
    assert [there.name for there in listing.objects] == sorted(names)


def test_an_upload_of_another_storage_names_no_part() -> None:
    for identity in ("0f1e-2d3c_S3", "e30=", "W10=", "\u00e9"):
        assert Upload.read(identity).token == ""


@pytest.mark.parametrize(
    ("name", "refused"), [("a.", True), ("a./b.jpg", True), ("a.b/c.d", False)]
)
def test_what_azure_would_call_otherwise_is_refused(name: str, refused: bool) -> None:
    assert bool(bucket_of(Server([])).refuses(name)) is refused


@pytest.mark.parametrize(("own", "wanted"), [("", "max-age=60"), ("no-store", "no-store")])
def test_a_blob_is_kept_as_long_as_the_sites_own_uploads_unless_settings_say_more(
    own: str, wanted: str
) -> None:
    site = AzDsn("me", Secret("a2V5"), "media", cache_control="max-age=60")
    assert azure._headers(Meta("text/plain", own), site)["x-ms-blob-cache-control"] == wanted
