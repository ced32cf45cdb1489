from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway import dsn
from slipway.checks import data
from slipway.command import Shell
from slipway.objects import reach, shards
from slipway.objects.listing import Object
from slipway.objects.shards import Listing
from slipway.postgres.names import Names
from slipway.secrets import Secret
from tests.unit.factory import environment

ENDPOINT = "endpoint=http%3A%2F%2F127.0.0.1%3A9&region_name=us-east-1"
S3 = Secret(f"s3://KEY:SECRET@myapp-test.127.0.0.1:9/?{ENDPOINT}&addressing_style=path&auth=s3v4")


def objects(*sizes: int) -> list[Any]:
    return [Object(f"{one}.jpg", one, "etag") for one in sizes]


class Bucket:
    label = "myapp-test"

    def __init__(self, *_: object) -> None:
        pass

    disorderly = False

    def listing(self, seeds: Sequence[str] | None = ()) -> Any:
        if self.disorderly and seeds is not None:
            raise shards.Disordered
        return Listing(shards.by_letters, iter(objects(1_000, 2_000_000)))


class Disorderly(Bucket):
    disorderly = True


@pytest.mark.parametrize("bucket", [Bucket, Disorderly])
def test_a_bucket_is_counted_with_the_sites_own_key(
    monkeypatch: pytest.MonkeyPatch, bucket: type[Bucket]
) -> None:
    monkeypatch.setattr(reach, "bucket_of", bucket)
    found = data.storage(environment(variables={"DEFAULT_STORAGE_DSN": S3}))[0]
    assert (found.state, found.text) == ("ok", "myapp-test: 2 files, 2.0 MB")
    facts = {"reachable": True, "files": 2, "bytes": 2_001_000, "counted_all": True}
    assert found.facts == {"storage": facts}


def test_a_bucket_without_end_is_counted_for_a_while() -> None:
    assert data.counted(objects(5, 5), patience=-1.0) == (0, 0, False)


def test_a_folder_is_said_to_be_on_the_hosts_disk() -> None:
    said = data.folder(dsn.FileDsn("/data/media", "/media/"))
    assert said == "/data/media, a folder on the host's own disk"


def test_a_database_elsewhere_is_named_and_left_alone() -> None:
    url = Secret("postgres://u:hidden@db.example.com/shop")
    found = data.database(environment(variables={"DATABASE_URL": url}), Shell())[0]
    assert found.text == "shop on db.example.com, which is not looked after here"


NAMES = Names("shop")
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def row(name: str, hours: float) -> list[str]:
    return [name, "8000000", str((NOW - timedelta(hours=hours)).timestamp())]


def test_without_an_earlier_database_there_is_no_backup() -> None:
    found = data.backup(NAMES, [row("shop", 5)], NOW)
    assert (found.state, found.facts) == ("warn", {"backup": None})
    assert found.text == "no earlier shop is kept"


def test_the_earlier_database_is_as_old_as_the_push_that_replaced_it() -> None:
    found = data.backup(NAMES, [row("shop", 3), row("shop__previous", 90)], NOW)
    assert found.text == "shop__previous: 8.0 MB, from before the push 3 h ago"
    assert found.facts["backup"]["last_push"] == "2030-01-01T09:00:00Z"


def test_a_push_that_was_undone_is_what_is_kept() -> None:
    found = data.backup(NAMES, [row("shop", 90), row("shop__previous", 3)], NOW)
    assert found.text == "shop__previous: 8.0 MB, pushed 3 h ago and undone"
    assert found.facts["backup"]["undone"] is True
