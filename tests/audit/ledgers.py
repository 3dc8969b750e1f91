"""Ledgers that the audit finds nothing wrong with, for tests that then break a promise."""

from tests.support.credits import credit
from tests.support.database_between_tests import violations
from tests.support.endings import end, end_subscription
from tests.support.holds import confirm, reserve
from tests.support.requests import apply, create_voucher, record, redeem
from tests.support.reversals import FEBRUARY, refund, reverse
from tests.support.tampering import tamper
from tests.support.tasks import task_named


def begin_with_each_row() -> None:
    """Add a voucher with codes, a confirmed hold, a redemption, a discount, an invoice, and a recorded use."""
    voucher = create_voucher(code="SUMMER", priceDiscount={"amount": 500, "currency": "USD"})
    task_named("vouchers.generate_codes")(
        request={"project": "gigs", "voucher": voucher["id"], "count": 1, "maximumRedemptions": 5}
    )
    confirm(reserve(code="SUMMER", customer="cus_1", subscription="sub_1", currency="USD"))
    apply()
    record(voucher=voucher["id"], customer="cus_1")
    assert violations() == []


def begin_with_reversals() -> None:
    """Add a voided invoice, a half refunded invoice, and a discount that was ended before any invoice."""
    create_voucher(code="SUMMER")
    redeem(code="SUMMER", subscription="sub_1")
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    reverse("inv_1")
    refund("inv_2", "r1", base=4000)
    end(redeem(code="SUMMER", subscription="sub_2")["discount"])
    assert end_subscription("sub_2")["placesReturned"] == 1
    assert violations() == []


def begin_with_a_refund(**fields) -> None:
    """Redeem a voucher with those fields, with a limit of 1 for each customer, and refund a quarter of an invoice."""
    voucher = create_voucher(**{"restrictions": {"maximumRedemptionsPerCustomer": 1}, **fields})["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1", period=FEBRUARY)
    refund("inv_1", "r1", base=2000)
    assert violations() == []


def begin_with_credits() -> None:
    """Discount an invoice by 8.00, and credit a quarter and an eighth of it. The first credit was reversed."""
    create_voucher(code="SUMMER")
    redeem(code="SUMMER", subscription="sub_1")
    apply(invoice="inv_1")
    credit(2000, of="inv_1", invoice="inv_3")
    credit(1000, of="inv_1", invoice="inv_4")
    reverse("inv_3")
    assert violations() == []


def broken() -> set[str]:
    """Return the checks that find a violation, each with a row."""
    found = violations()
    assert all(each.project == "gigs" and each.subject and each.detail for each in found)
    # Findings are stored, and an erasure does not look into them.
    assert not [each for each in found if "cus_" in each.subject + each.detail]
    return {each.check for each in found}


# Makes the sums of the vouchers follow a tampered ledger.
RECOUNT = """
    DELETE FROM given_amounts;
    INSERT INTO given_amounts (project, voucher_id, currency, part, amount_minor)
    SELECT d.project, d.voucher_id, e.currency, 0, sum(e.amount_minor)
    FROM (
        SELECT project, discount_id, currency, amount_minor FROM usage_entries
        UNION ALL
        SELECT project, discount_id, currency, amount_minor FROM usage_reversals
    ) e JOIN discounts d ON d.project = e.project AND d.id = e.discount_id
    GROUP BY 1, 2, 3
"""


def broken_by(change: str) -> set[str]:
    """Tamper with the ledger or with the sums of vouchers, and return the checks that find a violation."""
    tamper(change if "given_amounts" in change else f"{change}; {RECOUNT}")
    return broken()


def all_of(changes: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return pairs of a check and a change."""
    return [(check, change) for check, each in changes.items() for change in each]


def open_a_hold() -> None:
    """Hold another place of the voucher."""
    reserve(code="SUMMER", currency="USD")
    assert violations() == []
