import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from slipway.errors import ConfigurationError, SlipwayError
from slipway.objects.shards import by_folders, by_letters
from slipway.sync import memory as memories
from slipway.sync.memory import Upload, remembered
from slipway.sync.plan import Known, Row
from slipway.sync.scan import Stamp

OLD = Stamp(3, 1_000, 2_000, 7)
BIG = Upload("big", "id", 16, 1.5, OLD)


def test_what_is_learnt_is_there_in_the_next_run(tmp_path: Path) -> None:
    with remembered(tmp_path, "test") as memory:
        memory.learn("a", OLD, "aa", "bb")
        memory.begin_upload(BIG)
    with remembered(tmp_path, "test") as memory:
        assert memory.known() == {"a": Known(OLD, frozenset({"aa", "bb"}))}
        assert memory.uploads() == [BIG]
        assert memory.upload("big") == BIG
        memory.end_upload("big")
        assert memory.uploads() == []
        assert memory.upload("big") is None
    with remembered(tmp_path, "live") as memory:
        assert memory.known() == {}


def test_files_that_are_too_young_are_not_remembered(tmp_path: Path) -> None:
    with remembered(tmp_path, "test") as memory:
        memory.learn("a", OLD._replace(ctime=time.time_ns()), "aa")
        memory.save()
        assert memory.known() == {}


def test_what_was_learnt_survives_an_error(tmp_path: Path) -> None:
    opened = remembered(tmp_path, "test")
    opened.__enter__().learn("a", OLD, "aa")
    assert not opened.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with remembered(tmp_path, "test") as memory:
        assert memory.known().keys() == {"a"}


@pytest.mark.parametrize("damage", [b"no database" * 1000, b""])
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    with remembered(tmp_path, "test") as memory:
        memory.learn("a", OLD, "aa")
    (tmp_path / "media-test.sqlite").write_bytes(damage)
    with remembered(tmp_path, "test") as memory:
        assert memory.known() == {}
        memory.learn("a", OLD, "aa")
        memory.save()
        assert memory.known().keys() == {"a"}


@pytest.mark.parametrize("damage", [b"\xff" * 4096, bytes(4096)])
@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_a_memory_with_a_damaged_page_is_begun_anew(
    tmp_path: Path, damage: bytes, where: float
) -> None:
    with remembered(tmp_path, "test") as memory:
        for number in range(20_000):
            memory.learn(f"folder/{number:08}.jpg", OLD, "aa")
    path = tmp_path / "media-test.sqlite"
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(int(pages * where) * 4096)
        file.write(damage)
    with remembered(tmp_path, "test") as memory:
        assert list(memory.rows(by_letters)) == []
        memory.learn("a", OLD, "aa")
    with remembered(tmp_path, "test") as memory:
        assert memory.known().keys() == {"a"}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        remembered(tmp_path, "test"),
        pytest.raises(SlipwayError, match="another run is under way"),
        remembered(tmp_path, "test"),
    ):
        pass
    with remembered(tmp_path, "test"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match="cannot be written"),
        remembered(tmp_path / "file" / "x", "test"),
    ):
        pass


def test_rows_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    with remembered(tmp_path, "test") as memory:
        for name in ("a0", "a/x", "a-b", "ä"):
            memory.learn(name, OLD, "aa", "bb", "aa")
        memory.save()
        assert next(memory.rows(by_letters)) == Row("a-b", *OLD, "aa bb")
        assert [row.name for row in memory.rows(by_letters)] == ["a-b", "a/x", "a0", "ä"]
        assert [row.name for row in memory.rows(by_folders)] == ["a/x", "a-b", "a0", "ä"]
        memory.forget(["a0"])
        assert len(memory.known()) == 3


def test_every_some_hundredth_name_is_kept_to_cut_the_next_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories, "SPACING", 3)
    with remembered(tmp_path, "test") as memory:
        assert memory.seeds() == []
        for number in range(8):
            memory.learn(f"{number}", OLD, "aa")
    with remembered(tmp_path, "test") as memory:
        assert memory.seeds() == ["2", "5"]


def test_a_full_disk_ends_no_run(tmp_path: Path) -> None:
    said: list[str] = []
    with remembered(tmp_path, "test", said.append) as memory:
        memory._database.execute("pragma max_page_count = 1")
        for number in range(200):
            memory.learn(f"{number:0200}", OLD, "aa")
        memory.begin_upload(BIG)
    assert said == ["what was learnt here is not kept, and is read again: database or disk is full"]


def test_columns_of_another_version_are_left_alone(tmp_path: Path) -> None:
    with remembered(tmp_path, "test") as memory:
        for table in ("files", "pending"):
            memory._database.execute(f"alter table {table} add column more text")
    with remembered(tmp_path, "test", pytest.fail) as memory:
        memory.learn("a", OLD, "aa")
        memory.begin_upload(BIG)
        memory.save()
        assert (list(memory.known()), memory.uploads()) == (["a"], [BIG])


def test_a_memory_that_another_program_holds_is_not_thrown_away(tmp_path: Path) -> None:
    with remembered(tmp_path, "test") as memory:
        memory.begin_upload(BIG)
    path = tmp_path / "media-test.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("begin exclusive")
        with pytest.raises(SlipwayError, match="cannot be used: database is locked; end what"):
            remembered(tmp_path, "test").__enter__()
    with remembered(tmp_path, "test") as memory:
        assert memory.uploads() == [BIG]
