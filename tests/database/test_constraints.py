"""Each promise has a constraint: the database refuses a row that breaks the promise, even if the code has a bug."""

import pytest
from psycopg import Error as PsycopgError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support.administrator import as_administrator
from tests.support.requests import apply, create_voucher, redeem

COPY_OF_THE_REDEMPTION = """
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, code, customer, subscription, reason,
                             redemption_number, effective_at, decided_at)
    SELECT project, {request_id}, gen_random_uuid(), fingerprint, voucher_id, code, customer,
           subscription, {reason}, {number}, effective_at, decided_at FROM redemptions
"""
COPY_OF_THE_ENTRY = """
    INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                               currency, amount_minor, created_at)
    SELECT project, discount_id, {invoice}, gen_random_uuid(), period_start, period_end, cycle_start, cycle_end,
           currency, {amount}, created_at FROM usage_entries
"""
COPY_OF_THE_DISCOUNT = """
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_basis_points,
                           recurrence, starts_on, starts_on_in_utc)
    SELECT project, gen_random_uuid(), voucher_id, 'cus_2', subscription, created_at, percentage_basis_points,
           recurrence, starts_on, starts_on_in_utc FROM discounts
"""
COPY_OF_THE_VOUCHER = """
    INSERT INTO vouchers (project, id, created_at, name, percentage_basis_points, recurrence, metadata, {key},
                          fingerprint, creation_answer)
    SELECT project, gen_random_uuid(), created_at, name, percentage_basis_points, recurrence, metadata, {key},
           fingerprint, creation_answer FROM vouchers
"""
BY_DELIVERY = "UPDATE vouchers SET request_id = NULL, delivery_id = 'task-1'"


def redemption_copied(request_id: str = "'copy'", reason: str = "NULL", number: str = "2") -> str:
    """Return a statement that copies the redemption, with the given expressions for columns."""
    return COPY_OF_THE_REDEMPTION.format(request_id=request_id, reason=reason, number=number)


def entry_copied(invoice: str = "invoice", amount: str = "1") -> str:
    """Return a statement that copies the ledger entry, with the given expressions for columns."""
    return COPY_OF_THE_ENTRY.format(invoice=invoice, amount=amount)


def write(statements: str) -> None:
    """Run the statements in one transaction."""
    with as_administrator() as session:
        for statement in statements.split(";"):
            session.execute(text(statement))


# For each forbidden row, the statements that write it, and the constraint that refuses them.
REFUSED = {
    "more redemptions than the maximum": (
        "UPDATE vouchers SET redemptions = 3",
        "ck_vouchers_redemptions_within_maximum",
    ),
    "one request decided twice": (redemption_copied(request_id="request_id"), "pk_redemptions"),
    "one number given twice": (redemption_copied(number="1"), "uq_redemptions_number"),
    "an accepted one without a number": (redemption_copied(number="NULL"), "ck_redemptions_accepted_has_number"),
    "a refused one with a number": (
        redemption_copied(reason="'voucher_expired'"),
        "ck_redemptions_accepted_has_number",
    ),
    "a conflict that is stored": (
        redemption_copied(reason="'idempotency_conflict'", number="NULL"),
        "ck_redemptions_reason_known",
    ),
    "a reason that the contract does not know": (
        redemption_copied(reason="'busy'", number="NULL"),
        "ck_redemptions_reason_known",
    ),
    "one voucher running twice on a subscription": (COPY_OF_THE_DISCOUNT, "uq_discounts_running"),
    "one invoice answered twice": (
        "INSERT INTO invoice_discounts SELECT * FROM invoice_discounts",
        "pk_invoice_discounts",
    ),
    "one invoice discounted twice by one discount": (entry_copied(), "pk_usage_entries"),
    "an amount of an invoice that was never answered": (
        entry_copied(invoice="'other'"),
        "fk_usage_entries_invoice",
    ),
    "an amount of nothing": (entry_copied(invoice="'other'", amount="0"), "ck_usage_entries_amount_positive"),
    "a discount for one invoice on two": (
        "UPDATE discounts SET recurrence = 'once', cycles = 2",
        "ck_discounts_cycles_in_range",
    ),
    "one code of two vouchers": (
        "INSERT INTO codes SELECT project, gen_random_uuid(), voucher_id, lower(code), created_at, false FROM codes",
        "uq_codes_available",
    ),
    "one creation done twice": (COPY_OF_THE_VOUCHER.format(key="request_id"), "uq_vouchers_request"),
    "one message's creation done twice": (
        f"{BY_DELIVERY}; {COPY_OF_THE_VOUCHER.format(key='delivery_id')}",
        "uq_vouchers_delivery",
    ),
    "a voucher retired at no time": ("UPDATE vouchers SET retired_reason = 'expired'", "ck_vouchers_retired_whole"),
    "a window that is empty": (
        "UPDATE vouchers SET starts_at = '2026-01-01', expires_at = '2026-01-01'",
        "ck_vouchers_window_not_empty",
    ),
    "neither an amount nor a percentage": (
        "UPDATE vouchers SET percentage_basis_points = NULL",
        "ck_vouchers_one_price_discount",
    ),
    "more than all of the price": (
        "UPDATE vouchers SET percentage_basis_points = 10001",
        "ck_vouchers_percentage_in_range",
    ),
}


@pytest.fixture(autouse=True)
def one_of_everything(database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this, audited afterwards
    """Add a voucher with one more place, a redemption, a discount and an invoice, which break no promise."""
    create_voucher(requestId="voucher-1", code="SUMMER", restrictions={"maximumRedemptions": 2})
    redeem(code="SUMMER", subscription="sub_1")
    apply(invoice="inv_1")


@pytest.mark.parametrize("what", REFUSED)
def test_what_breaks_a_promise_is_refused(what):
    """The named constraint refuses it, and the transaction is rolled back."""
    statements, constraint = REFUSED[what]
    with pytest.raises(IntegrityError) as refused:
        write(statements)
    assert isinstance(refused.value.orig, PsycopgError)
    assert refused.value.orig.diag.constraint_name == constraint
