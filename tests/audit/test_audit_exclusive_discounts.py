"""Each check of exclusive discounts is made to fail."""

import pytest

from tasks.audit.exclusive_discounts import EXCLUSIVE_CHECKS
from tests.audit.ledgers import broken_by
from tests.support.database_between_tests import violations
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("tampered_database")

# Two discounts that may stand together become exclusive.
TAMPERING = "UPDATE vouchers SET exclusive = true; UPDATE discounts SET exclusive = true"


def two_discounts() -> list[str]:
    """Redeem two vouchers on sub_1, and return the discounts."""
    granted = [redeem(voucher=create_voucher()["id"], subscription="sub_1") for _ in range(2)]
    return [each["discount"] for each in granted]


def test_two_exclusive_discounts_that_run_are_found():
    """By the subscription."""
    two_discounts()
    assert violations() == []
    assert broken_by(TAMPERING) == {"an exclusive discount runs alone"}


def test_two_exclusive_discounts_on_an_invoice_are_found():
    """Also after one has ended. A discount that was alone on its invoice is none."""
    first, _ = two_discounts()
    apply()
    end(first)
    redeem(voucher=create_voucher(exclusive=True)["id"], subscription="sub_2")
    assert apply(subscription="sub_2")["discountTotal"] == 800
    assert violations() == []
    assert broken_by(TAMPERING) == {"an exclusive discount was alone on its invoices"}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(EXCLUSIVE_CHECKS) == {
        "an exclusive discount runs alone",
        "an exclusive discount was alone on its invoices",
    }
