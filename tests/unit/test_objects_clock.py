from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from slipway.objects.clock import Clock
from slipway.objects.wire import Answer

SKEW = timedelta(minutes=5)


@pytest.mark.parametrize(
    "headers", [{}, {"date": "now"}, {"date": "Sun, 29 Nov 2020 04:00:00 -0000"}]
)
def test_a_refusal_that_tells_no_time_corrects_nothing(headers: dict[str, str]) -> None:
    clock = Clock(SKEW)
    assert not clock.corrected(Answer(403, headers, b""), timedelta())
    assert clock.ahead == timedelta()


def test_only_what_a_server_does_not_let_pass_is_a_reason_to_ask_again() -> None:
    clock = Clock(SKEW)
    date = {"date": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
    assert not clock.corrected(Answer(403, date, b""), timedelta(minutes=58))
    assert clock.corrected(Answer(403, date, b""), timedelta())
    assert abs(clock.ahead - timedelta(hours=1)) < timedelta(seconds=9)
