"""Each check of the history of vouchers is made to fail."""

import pytest

from tasks.audit.voucher_changes import VOUCHER_CHANGE_CHECKS
from tests.audit.ledgers import all_of, broken_by
from tests.support.database_between_tests import violations
from tests.support.requests import add_codes, create_voucher
from tests.support.tasks import task_named
from tests.vouchers.calls import FIXED, FUTURE, LATER, MONTHS, update

pytestmark = pytest.mark.usefixtures("tampered_database")

STATE = "a voucher is as its updates have left it"
UPDATE = "the last update of a voucher is in its history"
POSTPONE = "UPDATE voucher_changes SET created_at = created_at + interval '1 second' WHERE kind = "
# The present values of a field that was updated, each changed behind the history's back.
COLUMNS = [
    "name = 'tampered'",
    "currency = 'EUR', amounts_minor = '{\"EUR\": 500}'",
    "amounts_minor = '{\"USD\": 501}'",
    'amounts_minor = \'{"USD": 500, "EUR": 1}\'',
    "amounts_minor = NULL, currency = NULL, percentage_millionths = 100000",
    "recurrence = 'forever', duration_in_months = NULL",
    "duration_in_months = 4",
    "duration_in_months = NULL, duration_in_cycles = 3",
    "carry_over = true, maximum_discount_in_all_minor = NULL, maximum_discount_in_all_currency = NULL",
    "exclusive = false",
    "priority = 9",
    "stamps_required = 3",
    "stamp_expire_days = 3",
    "stamps_required = NULL, stamp_expire_days = NULL",
    "maximum_discount_minor = '{\"USD\": 501}'",
    "maximum_discount_in_all_minor = '{\"USD\": 501}'",
    "campaign = 'summer'",
    "metadata = '{\"internal\": true}'",
    "starts_at = starts_at + interval '1 microsecond'",
    "expires_at = NULL",
    "maximum_redemptions = 6",
    "maximum_redemptions_per_customer = NULL",
    "products = '{prod_a}'",
    "excluded_products = '{prod_c,prod_d}'",
    "excluded_products = NULL",
    "first_purchase_only = false",
    "minimum_subtotal_minor = 501",
    "minimum_subtotal_on_invoice = false",
]
# For each check, changes that each break only that promise.
TAMPERING = {
    "the history of a voucher begins with its creation": [
        "DELETE FROM voucher_changes WHERE kind = 'created'",
        POSTPONE + "'created'",
        "UPDATE vouchers SET created_at = created_at + interval '1 second'",
    ],
    "a voucher was retired by hand if its history says so": [
        "DELETE FROM voucher_changes WHERE kind = 'retired'",
        POSTPONE + "'retired'",
        "UPDATE vouchers SET retired_reason = 'unknown' WHERE retired_reason = 'manualAction'",
        "UPDATE vouchers SET retired_reason = NULL, retired_at = NULL",
    ],
    UPDATE: [
        POSTPONE + "'updated'",
        "UPDATE vouchers SET updated_at = NULL",
        "UPDATE vouchers SET updated_at = updated_at + interval '1 second'",
        "UPDATE vouchers SET updated_at = now() WHERE updated_at IS NULL",
    ],
    STATE: [
        *(f"UPDATE vouchers SET {each} WHERE updated_at IS NOT NULL" for each in COLUMNS),  # noqa: S608 - the constants above
        "UPDATE voucher_changes SET before = replace(before::text, 'Bert', 'Other')::json WHERE kind = 'updated'",
        "UPDATE voucher_changes SET after = '{\"name\": \"Other\"}' WHERE actor = 'bert'",
        "UPDATE voucher_changes SET after = '{}' WHERE actor = 'bert'",
    ],
    "all codes of a voucher are in its history": [
        "DELETE FROM voucher_changes WHERE kind = 'codes_added'",
        "UPDATE voucher_changes SET codes = 3 WHERE kind = 'codes_added'",
        "DELETE FROM codes WHERE code = 'VIP-2'",
    ],
    "all generations of codes are in the history of their voucher": [
        "DELETE FROM voucher_changes WHERE kind = 'codes_generated'",
        "UPDATE voucher_changes SET codes = 4 WHERE kind = 'codes_generated'",
        "UPDATE code_generations SET created_at = created_at + interval '1 second'",
    ],
    "a code was retired by hand if the history of its voucher says so": [
        "DELETE FROM voucher_changes WHERE kind = 'code_retired'",
        POSTPONE + "'code_retired'",
        "UPDATE codes SET retired_reason = NULL, retired_at = NULL WHERE code = 'VIP-1'",
        "UPDATE codes SET retired_reason = 'manualAction', retired_at = now() WHERE code = 'VIP-2'",
    ],
}


@pytest.fixture(autouse=True)
def changed_vouchers(tampered_database: object) -> None:  # noqa: ARG001 - emptied before this
    """Update every field of a voucher, and its name twice. Retire another one with all kinds of codes."""
    updated = create_voucher(code="SUMMER")["id"]
    restrictions = {
        "startsAt": FUTURE,
        "expiresAt": LATER,
        "maximumRedemptions": 5,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a", "prod_b"],
        "excludedProducts": ["prod_c"],
        "firstPurchaseOnly": True,
        "minimumSubtotal": {"amount": 500, "currency": "USD", "on": "invoice"},
    }
    card = {"stamps": 2, "expireDays": 90}
    capped = {"priceDiscount": FIXED, "maximumDiscount": FIXED, "budget": FIXED, "stampCard": card}
    update(updated, name="Bert", actor="bert")
    update(updated, name="New", code="WINTER", metadata={"internal": 1.5}, carryOver=True, recurrence=MONTHS, **capped)
    update(updated, campaign="spring")
    update(updated, carryOver=False, maximumDiscountInAll=FIXED)
    update(updated, priority=8, exclusive=True, restrictions=restrictions)
    voucher = create_voucher()
    retired, _ = add_codes(voucher, {"code": "VIP-1"}, {"code": "VIP-2"})
    named = {"project": "gigs", "voucher": voucher["id"]}
    task_named("vouchers.generate_codes")(request={**named, "count": 3})
    task_named("codes.retire")(request={"project": "gigs", "code": retired["id"]})
    task_named("vouchers.retire")(request=named)
    assert violations() == []


@pytest.mark.parametrize(("check", "change"), all_of(TAMPERING))
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


def test_every_check_is_made_to_fail():
    """No check of the group is left out."""
    assert set(TAMPERING) == set(VOUCHER_CHANGE_CHECKS)
