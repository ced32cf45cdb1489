from datetime import UTC, datetime

import pytest

from slipway.objects import times

STORED = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("nanoseconds", [1, 999_999_999, 1_600_000_000_123_456_789])
def test_times_survive(nanoseconds: int) -> None:
    assert times.parse(times.render(nanoseconds)) == nanoseconds


def test_the_senders_time_counts_before_the_storages() -> None:
    assert times.modified({"mtime": "12.5"}, STORED) == 12_500_000_000
    assert times.modified({}, STORED) == 1_704_067_200_000_000_000


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-1", "1e3", "1.x", "²", "1.²", "9" * 11, "9" * 20, "9" * 5000]
)
def test_what_is_no_time_that_a_disk_can_hold_is_ignored(text: str) -> None:
    assert times.modified({"mtime": text}, STORED) == times.modified({}, STORED)
