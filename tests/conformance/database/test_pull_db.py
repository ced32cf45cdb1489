"""Pull an environment's database into the local one, whole, and go back."""

import json

import pytest

from slipway.console import Console
from slipway.database import pull_db, push_db, undo_db
from slipway.errors import ConfigurationError
from tests.conformance.database import content
from tests.conformance.database.servers import Pair
from tests.unit.factory import environment


def pull(pair: Pair, *exclude_data: str) -> dict[str, object]:
    console = Console(as_json=True)
    return pull_db(environment(), console, exclude_data=exclude_data, ends=pair.back)


def here(pair: Pair, sql: str) -> list[list[str]]:
    return pair.source.query(sql, "local")


def test_the_way_back_is_as_safe_as_the_way_there(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.fresh(content.SMALL)
    fields = pull(pair)
    assert fields == json.loads(capsys.readouterr().out)
    assert (fields["tables"], fields["rows"]) == (1, 1)
    assert here(pair, "SELECT text FROM marker;") == [["old"]]
    assert pair.source.query("SELECT text FROM marker;", "local__previous") == [["new"]]
    assert pair.marker() == "old"
    undo_db(environment(), Console(), ends=pair.back)
    assert here(pair, "SELECT text FROM marker;") == [["new"]]
    assert here(pair, "SELECT tableowner FROM pg_tables WHERE tablename = 'marker';") == [["me"]]


def test_rows_that_are_not_wanted_stay_there(pair: Pair) -> None:
    pair.fresh(content.SITE)
    push_db(environment(), Console(), ends=pair.ends)
    fields = pull(pair, "uploader_file,other.parted", "empty")
    assert fields["rows"] == content.SITE_ROWS - 301 - 11
    assert here(pair, "SELECT count(*) FROM uploader_file;") == [["0"]]
    assert here(pair, "SELECT count(*) FROM auth_user;") == [["50"]]


def test_a_table_that_is_not_there_cannot_be_left_out(pair: Pair) -> None:
    pair.fresh(content.SMALL)
    with pytest.raises(ConfigurationError, match="--exclude-data: nothing is no table there"):
        pull(pair, "nothing")
    assert here(pair, "SELECT text FROM marker;") == [["new"]]


def test_rows_that_refer_to_what_was_left_out_are_refused(pair: Pair) -> None:
    pair.fresh(content.SITE)
    push_db(environment(), Console(), ends=pair.ends)
    with pytest.raises(ConfigurationError, match=r"refers to public.auth_user; leave out public\."):
        pull(pair, "auth_user")
    assert here(pair, "SELECT text FROM marker;") == [["new"]]
