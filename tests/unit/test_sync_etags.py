import hashlib

import pytest

from slipway.sync import etags
from slipway.sync.etags import MEBIBYTE, PART, WHOLE

BODY = bytes(range(256)) * 10


def by_the_book(body: bytes, part: int) -> str:
    parts = [hashlib.md5(body[at : at + part]).digest() for at in range(0, len(body), part)]
    return f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"


@pytest.mark.parametrize("part", [1, 7, 256, 1000, 2559, 2560, 2561])
@pytest.mark.parametrize("chunk", [1, 100, 256, 5000])
def test_etags_of_parts_follow_the_rule_of_s3(part: int, chunk: int) -> None:
    chunks = [BODY[at : at + chunk] for at in range(0, len(BODY), chunk)]
    assert etags.of_chunks(chunks, part) == by_the_book(BODY, part)


def test_whole_content_has_its_md5() -> None:
    assert etags.of_chunks([BODY[:9], BODY[9:]], WHOLE) == hashlib.md5(BODY).hexdigest()
    assert etags.of_bytes(b"") == "d41d8cd98f00b204e9800998ecf8427e"
    assert etags.of_chunks([], WHOLE) == etags.of_bytes(b"")


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (0, WHOLE),
        (PART, WHOLE),
        (PART + 1, PART),
        (PART * 10_000, PART),
        (PART * 10_000 + 1, PART + MEBIBYTE),
    ],
)
def test_files_are_sent_in_parts_from_16_mib_on_and_in_10000_at_most(size: int, part: int) -> None:
    assert etags.our_part_size(size) == part


def test_the_number_of_parts_tells_which_sizes_are_possible() -> None:
    size = 40 * MEBIBYTE
    assert etags.possible_part_sizes("abc", size) == [WHOLE]
    assert etags.possible_part_sizes("abc-3", size) == [PART]
    assert etags.possible_part_sizes("abc-5", size) == [8 * MEBIBYTE]
    assert etags.possible_part_sizes("abc-4", size) == []
    assert etags.possible_part_sizes("abc-1", 3) == [PART, 8 * MEBIBYTE]
