"""Follow a server's clock, where ours is too wrong for the signatures of requests."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from slipway.objects.wire import Answer


class Clock:
    """Hold by how much a server's clock is `ahead` of ours, for requests of several threads."""

    def __init__(self, skew: timedelta) -> None:
        """Take what the server lets pass: `skew`."""
        self.ahead = timedelta()
        self._skew = skew

    @staticmethod
    def time(ahead: timedelta) -> datetime:
        """Return the time of a clock that is so far `ahead` of ours."""
        return datetime.now(UTC) + ahead

    def corrected(self, answer: Answer, used: timedelta) -> bool:
        """Take the server's time from a refusal, and return whether asking again may help.

        It does not where the request was signed by that time: `used` is how far ahead it was.
        """
        try:
            there = parsedate_to_datetime(answer.headers.get("date", ""))
            ahead = there - self.time(timedelta())
        except (TypeError, ValueError):  # none, or one without a zone
            return False
        if abs(ahead - used) < self._skew:
            return False
        self.ahead = ahead
        return True
