"""Why a voucher is retired under new terms: a decision table."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.terms import RetiredReason
from domain.voucher_update import retired_reason_after

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
BY_HAND, UNKNOWN = RetiredReason.MANUAL_ACTION, RetiredReason.UNKNOWN
EXPIRED, FULL = RetiredReason.EXPIRED, RetiredReason.MAX_REDEMPTIONS_REACHED


@pytest.mark.parametrize(
    ("before", "expires_at", "maximum", "after"),
    [
        (None, None, None, None),
        (None, FUTURE, 4, None),
        (None, NOW, None, EXPIRED),
        (None, PAST, None, EXPIRED),
        (None, None, 3, FULL),
        (None, PAST, 3, EXPIRED),
        (EXPIRED, None, None, None),
        (EXPIRED, FUTURE, 4, None),
        (EXPIRED, PAST, 4, EXPIRED),
        (EXPIRED, PAST, 3, EXPIRED),
        (EXPIRED, FUTURE, 3, FULL),
        (FULL, None, None, None),
        (FULL, FUTURE, 4, None),
        (FULL, FUTURE, 3, FULL),
        (FULL, PAST, 3, FULL),
        (FULL, PAST, 4, EXPIRED),
        (BY_HAND, None, None, BY_HAND),
        (BY_HAND, PAST, 3, BY_HAND),
        (UNKNOWN, FUTURE, 4, UNKNOWN),
    ],
)
def test_a_voucher_is_retired_for_what_is_true_and_the_first_reason_stays(before, expires_at, maximum, after):
    """Three places are taken. A voucher that was retired by hand stays retired, and a window excludes the end."""
    assert (
        retired_reason_after(before, expires_at=expires_at, maximum_redemptions=maximum, redemptions=3, now=NOW)
        is after
    )
