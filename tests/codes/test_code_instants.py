"""The very end of a code: it can be redeemed until then, exclusive, and then its text is free."""

from datetime import datetime, timedelta

import pytest

from tasks.wire.errors import InvalidRequest
from tests.codes.calls import why
from tests.support.frozen_clock import clock_at
from tests.support.requests import add_codes, create_voucher, redeem

# The audit would find what has ended in the future.
pytestmark = pytest.mark.usefixtures("tampered_database")

END = "2099-01-01T00:00:00Z"
AT_END = datetime.fromisoformat(END)
MOMENT = timedelta(microseconds=1)


def test_a_code_is_redeemed_until_its_end():
    """A moment before, and not at its end."""
    add_codes(create_voucher(), {"code": "VIP", "expiresAt": END})
    for at, reason in ((AT_END - MOMENT, None), (AT_END, "code_expired")):
        with clock_at(at):
            assert redeem(code="VIP")["reason"] == reason


def test_the_text_of_a_code_is_free_from_its_end_on():
    """The old code is then retired as expired."""
    (code,) = add_codes(create_voucher(), {"code": "VIP", "expiresAt": END})
    other = create_voucher()
    with clock_at(AT_END - MOMENT), pytest.raises(InvalidRequest):
        add_codes(other, {"code": "vip"})
    with clock_at(AT_END):
        add_codes(other, {"code": "vip"})
    assert why(code) == ("retired", "expired")
