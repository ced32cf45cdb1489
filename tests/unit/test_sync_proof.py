import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.objects.listing import Object
from slipway.sync import etags, proof
from slipway.sync.memory import Memory
from slipway.sync.plan import Objects
from slipway.sync.scan import Problem
from slipway.sync.tally import Tally

LARGE = os.urandom(1000)


def test_what_was_young_when_it_was_read_is_not_remembered_after_a_long_reading(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, pass_time: Callable[..., Any]
) -> None:
    (media / "a").write_bytes(b"small")
    monkeypatch.setattr(etags, "chunks_of", pass_time(etags.chunks_of))
    doubtful = Objects([Object("a", 5, etags.of_bytes(b"small"))])
    assert len(proof.unequal(str(media), doubtful, memory, Tally(), lambda: None)) == 0
    memory.save()
    assert memory.known() == {}


@pytest.mark.usefixtures("_small_parts")
def test_unequal_reads_only_what_it_must(media: Path, memory: Memory) -> None:
    contents = {"same": b"same", "other": b"other", "parts": LARGE, "foreign": LARGE}
    for name, content in contents.items():
        (media / name).write_bytes(content)
        os.utime(media / name, (1, 1))
    (media / "gone").write_bytes(b"gone")
    answers = {
        "same": etags.of_bytes(b"same"),
        "other": etags.of_bytes(b"OTHER"),
        "parts": etags.of_chunks([LARGE], 300),
        "foreign": "0123-77",
        "gone": "x",
    }
    doubtful = Objects(
        Object(name, (media / name).stat().st_size, answers[name]) for name in answers
    )
    (media / "gone").unlink()
    tally = Tally()
    differ = proof.unequal(str(media), doubtful, memory, tally, lambda: None)
    assert sorted(name for name, _ in differ) == ["foreign", "other"]
    assert tally.problems == [Problem("gone", "No such file or directory")]
