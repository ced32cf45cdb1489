from pathlib import Path

import pytest

from slipway.console import Console
from slipway.errors import StorageError
from slipway.media import FOLDER
from slipway.objects.s3_versions import Version, Versions, parse
from slipway.secrets import Secret
from slipway.settings.storage import Storage
from slipway.sync.pushed import Pushed
from slipway.undo_media import undo_media
from tests.unit.factory import environment

PAGE = """<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Version><Key>a</Key><VersionId>1</VersionId><IsLatest>false</IsLatest><ETag>"x"</ETag>
<Size>3</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Version>
<Version><Key>a</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><ETag>"y"</ETag>
<Size>4</Size><LastModified>2026-01-02T00:00:00Z</LastModified></Version>
<Version><Key>ab</Key><VersionId>9</VersionId><IsLatest>true</IsLatest></Version>
<DeleteMarker><Key>a</Key><VersionId>3</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-01-02T00:00:00Z</LastModified></DeleteMarker></ListVersionsResult>"""


def test_versions_come_newest_first_and_those_of_other_keys_not_at_all() -> None:
    assert [(one.identity, one.deleted) for one in parse(PAGE, "a")] == [
        ("3", True),
        ("2", False),
        ("1", False),
    ]
    assert parse(PAGE, "a")[1] == Version("2", "y", 4, "2026-01-02T00:00:00Z", False)


@pytest.mark.parametrize(
    ("dsn", "hint"),
    [
        ("az://account:a2V5@blob.core.windows.net/myapp-test/", "its portal"),
        ("file:///data/media/?url=%2Fmedia%2F", "restore a backup"),
    ],
)
def test_storages_without_versions_say_what_is_possible(dsn: str, hint: str) -> None:
    there = environment(variables={"DEFAULT_STORAGE_DSN": Secret(dsn)})
    with pytest.raises(StorageError, match=f"keeps no earlier versions that could come .*{hint}"):
        undo_media(there, Console())


class Unversioned(Versions):
    """Answer as a bucket does that keeps no versions, to a key that may not ask about it."""

    def __init__(self) -> None: ...

    def kept(self) -> bool:
        return True

    def of(self, name: str) -> list[Version]:  # noqa: ARG002
        return [Version("null", "0cc175b9c0f1b6a831c399e269772661", 1, "2026-01-01", False)]


@pytest.mark.parametrize("versioning", [False, True])
def test_objects_without_earlier_versions_say_whether_there_could_be_some(
    tmp_path: Path, versioning: bool
) -> None:
    storage = Storage("s3", "media", versioning=versioning)
    there = environment(root=tmp_path, storage=storage)
    path = tmp_path / FOLDER / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a")
    (tmp_path / ".state").mkdir()
    Pushed(tmp_path / ".state", "test").begin(["a.txt"])
    if versioning:
        assert undo_media(there, Console(), versions=Unversioned()) == 0
        return
    with pytest.raises(StorageError, match=r"keeps no earlier versions .*versioning = true"):
        undo_media(there, Console(), versions=Unversioned())
