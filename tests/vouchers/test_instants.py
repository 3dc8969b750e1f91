"""The very end of a voucher: it can be redeemed until then, exclusive."""

from datetime import datetime, timedelta

import pytest

from tests.support.frozen_clock import clock_at
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

# The audit would find what has ended in the future.
pytestmark = pytest.mark.usefixtures("tampered_database")

END = "2099-01-01T00:00:00Z"
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(("before", "reason"), [(MOMENT, "manualAction"), (timedelta(), "expired")])
def test_a_voucher_that_has_ended_is_retired_as_expired(before, reason):
    """By hand, as if a sweep had come first."""
    voucher = create_voucher(restrictions={"expiresAt": END})
    with clock_at(datetime.fromisoformat(END) - before):
        answer = task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    assert answer["retiredReason"] == reason
