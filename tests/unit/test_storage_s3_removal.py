from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from slipway.settings.storage import Storage
from slipway.storage import s3_removal
from slipway.storage.reading import FOLDER

WANTED = Storage("s3", "media", prefix="site")
REFUSED = ClientError({"Error": {"Code": "NotImplemented"}}, "ListObjectVersions")


def rows(*names: str) -> list[dict[str, str]]:
    return [{"Key": f"site/{name}"} for name in names]


@pytest.mark.parametrize(
    ("objects", "versions", "count"),
    [
        (["a", "b"], {"Versions": rows("a", "a", "b")}, 2),
        # Nothing but old versions, or what proofs have left.
        ([], {"Versions": rows("a", "a", f"{FOLDER}/x")}, 1),
        ([], {"DeleteMarkers": rows("a")}, 0),
        ([], {"IsTruncated": True}, 1000),
        # Servers that keep no versions: one lists none, one refuses to.
        (["a", "b"], {}, 2),
        (["a", "b"], REFUSED, 2),
    ],
)
def test_whatever_would_be_lost_is_counted(objects: list[str], versions: Any, count: int) -> None:
    s3 = Mock()
    s3.list_objects_v2.return_value = {"Contents": rows(*objects)}
    s3.list_object_versions.side_effect = [versions]
    assert s3_removal.count(s3, WANTED) == count
