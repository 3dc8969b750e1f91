"""The retirement of codes by the clock, at its instants."""

from datetime import UTC, datetime, timedelta

from domain.code_terms import CodeRetiredReason, CodeRetirement, retirement_by_clock

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(microseconds=1), NOW - timedelta(microseconds=1)


def test_a_code_is_retired_from_its_end_on():
    """Its own end, and that of its voucher."""
    own = CodeRetirement(reason=CodeRetiredReason.EXPIRED, at=NOW)
    assert retirement_by_clock(expires_at=NOW, voucher_expires_at=LATER, now=NOW) == own
    assert retirement_by_clock(expires_at=LATER, voucher_expires_at=LATER, now=NOW) is None
    by_voucher = CodeRetirement(reason=CodeRetiredReason.VOUCHER_EXPIRED, at=NOW)
    assert retirement_by_clock(expires_at=None, voucher_expires_at=NOW, now=NOW) == by_voucher


def test_of_two_ends_the_earlier_is_the_reason():
    """Whichever it is."""
    by_voucher = CodeRetirement(reason=CodeRetiredReason.VOUCHER_EXPIRED, at=EARLIER)
    assert retirement_by_clock(expires_at=NOW, voucher_expires_at=EARLIER, now=NOW) == by_voucher
    own = CodeRetirement(reason=CodeRetiredReason.EXPIRED, at=EARLIER)
    assert retirement_by_clock(expires_at=EARLIER, voucher_expires_at=NOW, now=NOW) == own
