"""Why an imported voucher is retired: a decision table in the order of precedence."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.imported_history import ImportedHistory, VoucherRetirement, retirement_of
from domain.terms import RetiredReason

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
FULL = VoucherRetirement(reason=RetiredReason.MAX_REDEMPTIONS_REACHED, at=NOW)
EXPIRED = VoucherRetirement(reason=RetiredReason.EXPIRED, at=PAST)
BY_HAND = VoucherRetirement(reason=RetiredReason.MANUAL_ACTION, at=NOW)


@pytest.mark.parametrize(
    ("redemptions", "maximum", "expires_at", "is_withdrawn", "expected"),
    [
        (2, 2, PAST, True, FULL),
        (3, 2, PAST, True, FULL),
        (1, 2, PAST, True, EXPIRED),
        (1, None, NOW, False, VoucherRetirement(reason=RetiredReason.EXPIRED, at=NOW)),
        (1, 2, FUTURE, True, BY_HAND),
        (1, 2, FUTURE, False, None),
        (0, None, None, False, None),
        (9, None, None, False, None),
    ],
)
def test_the_first_reason_that_is_true_is_the_answer(redemptions, maximum, expires_at, is_withdrawn, expected):
    """Full goes before expired, and expired before withdrawn."""
    history = ImportedHistory(redemptions=redemptions, is_withdrawn=is_withdrawn)
    found = retirement_of(history, maximum_redemptions=maximum, expires_at=expires_at, now=NOW)
    assert found == expected
