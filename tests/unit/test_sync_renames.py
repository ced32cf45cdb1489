import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import HostError
from slipway.objects.bucket import Meta
from slipway.sync import etags
from slipway.sync.memory import Memory
from slipway.sync.plan import Names, Wanted
from slipway.sync.renames import Copier, candidates
from slipway.sync.scan import scan
from slipway.sync.tally import Tally
from tests.unit.bucket import MemoryBucket

LARGE = os.urandom(1000)


def copy(media: Path, bucket: MemoryBucket, memory: Memory) -> list[Wanted]:
    new = Names(Wanted(file.name, file.stamp.size) for file in scan(media).files)
    found, _ = candidates(new, list(bucket.listing().objects), str(media))
    copier = Copier(bucket, memory, Tally(), Meta, lambda *_: None)
    return copier.run(found, lambda: None)


def test_a_host_that_goes_away_ends_the_run(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> str:
        raise HostError("host1", "does not answer", "")

    (media / "new").write_bytes(b"small")
    bucket = MemoryBucket()
    bucket.store("old", b"small", "", etags.of_bytes(b"small"))
    monkeypatch.setattr(bucket, "copy", gone)
    with pytest.raises(HostError, match="does not answer"):
        copy(media, bucket, memory)


def test_what_was_young_when_it_was_read_is_not_remembered_after_a_long_copy(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, pass_time: Callable[..., Any]
) -> None:
    (media / "new").write_bytes(b"small")
    bucket = MemoryBucket()
    bucket.store("old", b"small", "", etags.of_bytes(b"small"))
    monkeypatch.setattr(bucket, "copy", pass_time(bucket.copy))
    assert copy(media, bucket, memory) == []
    memory.save()
    assert memory.known() == {}


@pytest.mark.usefixtures("_small_parts")
def test_renamed_files_are_read_once_however_many_objects_have_their_size(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = MemoryBucket()
    contents = {f"new{number}": os.urandom(1000) for number in range(5)}
    contents["alone"] = os.urandom(900)
    for name, content in contents.items():
        (media / name).write_bytes(content)
        part_size = 300 if name in {"new2", "alone"} else etags.WHOLE
        bucket.store(f"old {name}", content, "", etags.of_chunks([content], part_size))
    bucket.store("foreign", LARGE, "", "0123-77")
    (media / "other").write_bytes(LARGE)
    read: list[str] = []
    really = etags.chunks_of

    def chunks_of(file: Any) -> Iterator[bytes]:
        read.append(Path(file.name).name)
        return really(file)

    monkeypatch.setattr(etags, "chunks_of", chunks_of)
    assert copy(media, bucket, memory) == [Wanted("other", 1000)]
    assert {name: bucket.contents[name] for name in contents} == contents
    # What was in parts is whole as a copy, and then has an ETag that nobody asked for before.
    assert sorted(read) == sorted([*contents, "other", "alone"])
