"""Each check that reads what discounts had done in another system is made to fail by that."""

import pytest

from tasks.audit.imported import IMPORTED_CHECKS
from tests.audit.ledgers import broken_by
from tests.foreign.stripe import import_coupon
from tests.support.database_between_tests import violations
from tests.support.imports import BALANCE, ONE_CYCLE, TWO_CYCLES, import_discount
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import MARCH, refund

ORIGIN = "an imported discount is a redemption that came from elsewhere"
PLACE = "an imported place belongs to a discount that came from elsewhere"
MATCHED = "imported places are matched one after the other"
COUNTED = "redemptions are counted and numbered without a gap"
PROGRESS = "a discount's progress is what the ledger says"
OVER = "a discount gave no more than its balance or its maximum in all"
USED_UP = "a discount whose balance or maximum in all is used up is completed"
SPENT = "a budget's spending is what the ledger says"
ONCE = "a once discount took part in one invoice"
LIMIT = "no customer exceeds a voucher's limit"
FREE = "a customer's place is free when all was refunded, and only then"
RETURNED = "only what never took effect or was refunded in full gives a place back"
CODE = "a redemption names a code of its voucher"
CARD = "a stamp card's discounts were granted by the entries that completed it"
WINDOW = "nothing was redeemed outside its voucher's window"
LONG_AGO = "nothing was redeemed for an instant that was too long ago"
COUPON, ONE_OFF = (f"(SELECT id FROM discounts WHERE subscription = 'sub_{number}')" for number in (1, 4))  # noqa: S608 - our own names


@pytest.fixture(autouse=True)
def imported(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """Import a discount in two cycles, of three that were imported, a balance, one with a budget, and a used one."""
    coupon = import_coupon(times_redeemed=3, max_redemptions=5)["id"]
    import_discount(coupon, **TWO_CYCLES)
    apply(invoice="inv_1", period=MARCH)
    redeem(voucher=coupon, subscription="sub_there")
    for number, (terms, had) in enumerate(
        [
            (BALANCE, {**ONE_CYCLE, "taken": {"USD": 3_000}}),
            ({"budget": {"amount": 9_000, "currency": "USD"}}, {**ONE_CYCLE, "taken": {"USD": 1_000}}),
            ({"recurrence": {"type": "once"}}, ONE_CYCLE),
        ],
        start=2,
    ):
        voucher = create_voucher(**terms)["id"]
        import_discount(voucher, ref=f"di_{number}", subscription=f"sub_{number}", customer=f"cus_{number}", **had)
    assert violations() == []


@pytest.mark.parametrize(
    ("found", "change"),
    [
        ({ORIGIN}, "UPDATE imported_discounts SET ref = 'another' WHERE ref = 'di_1'"),
        ({ORIGIN}, "UPDATE imported_discounts SET subscription = 'another' WHERE ref = 'di_1'"),
        ({ORIGIN}, "UPDATE imported_discounts SET created_at = created_at + interval '1 second'"),
        ({ORIGIN}, "UPDATE discounts SET created_at = created_at - interval '1 second' WHERE is_imported"),
        ({ORIGIN}, "UPDATE discounts SET is_imported = false WHERE subscription = 'sub_1'"),
        ({ORIGIN}, "UPDATE discounts SET is_imported = true WHERE subscription = 'sub_there'"),
        ({ORIGIN, CODE}, "UPDATE redemptions SET code_id = voucher_id WHERE subscription = 'sub_4'"),
        ({PLACE, MATCHED, COUNTED}, "UPDATE redemptions SET redemption_number = 2 WHERE subscription = 'sub_there'"),
        ({MATCHED}, "UPDATE vouchers SET imported_matched = 2 WHERE imported_redemptions = 3"),
        ({MATCHED}, "UPDATE vouchers SET imported_matched = 0"),
        ({MATCHED}, "UPDATE redemptions SET redemption_number = 2 WHERE subscription = 'sub_1'"),
        ({MATCHED, COUNTED}, "UPDATE redemptions SET redemption_number = 5 WHERE subscription = 'sub_1'"),
        ({PROGRESS}, "UPDATE imported_discounts SET first_cycle_start = first_cycle_start - 1 WHERE cycles = 2"),
        ({PROGRESS}, "UPDATE imported_discounts SET cycles = 3 WHERE cycles = 2"),
        (
            {PROGRESS},
            """
            UPDATE imported_discounts SET last_cycle_start = '2027-03-01', last_cycle_end = '2027-04-01'
            WHERE cycles = 2
            """,
        ),
        ({PROGRESS}, "UPDATE discounts SET cycles = 1 WHERE cycles = 3"),
        ({OVER, USED_UP}, """UPDATE imported_discounts SET taken_minor = '{"USD": 10001}' WHERE ref = 'di_2'"""),
        ({USED_UP}, """UPDATE imported_discounts SET taken_minor = '{"USD": 10000}' WHERE ref = 'di_2'"""),
        ({SPENT}, """UPDATE imported_discounts SET taken_minor = '{"USD": 999}' WHERE ref = 'di_3'"""),
        ({SPENT}, """UPDATE imported_discounts SET taken_minor = '{"USD": 1000, "EUR": 1}' WHERE ref = 'di_3'"""),
        ({SPENT}, "UPDATE budgets SET spent_minor = 0"),
        (set(), """UPDATE imported_discounts SET taken_minor = '{"USD": 7}' WHERE ref = 'di_1'"""),
    ],
)
def test_what_another_system_had_given_counts_in_every_sum(found, change):
    """Each change breaks these promises only."""
    assert broken_by(change) == found


def test_every_check_of_imports_is_made_to_fail():
    """No check is left out above."""
    assert set(IMPORTED_CHECKS) == {ORIGIN, PLACE, MATCHED}


def test_a_once_discount_that_was_used_elsewhere_takes_part_in_no_invoice():
    """Not even in the same cycle."""
    copy = f"""
        INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                                   currency, amount_minor, created_at)
        SELECT project, {ONE_OFF}, invoice, gen_random_uuid(), '2027-01-01', '2027-02-01', '2027-01-01', '2027-02-01',
               currency, 1, created_at FROM usage_entries;
        UPDATE invoice_discounts SET answer = jsonb_set(answer::jsonb, '{{discountTotal}}', '2041')::json,
               subscription = 'sub_4';
        UPDATE discounts SET subscription = 'sub_4' WHERE subscription = 'sub_1';
        INSERT INTO discount_changes (project, discount_id, number, kind, from_subscription, to_subscription,
                                      created_at)
        SELECT project, discount_id, 1, 'moved', 'sub_1', 'sub_4', created_at - interval '1 hour'
        FROM imported_discounts WHERE ref = 'di_1'
    """  # noqa: S608 - the constant above
    assert broken_by(copy) == {ONCE}


def test_a_customer_who_redeems_after_the_import_is_counted_with_it():
    """What came later than the last redemption was judged elsewhere."""
    limit = "UPDATE vouchers SET maximum_redemptions_per_customer = 1"
    own = "customer = 'cus_9' WHERE voucher_id = (SELECT voucher_id FROM imported_discounts i JOIN discounts d "
    own += "ON d.id = i.discount_id WHERE ref = 'di_1')"
    assert broken_by(f"UPDATE redemptions SET {own}; UPDATE discounts SET {own}; {limit}") == {LIMIT}  # noqa: S608 - our own
    before = "decided_at = decided_at - interval '1 hour', effective_at = effective_at - interval '1 hour'"
    changed = f"UPDATE redemptions SET {before} WHERE subscription = 'sub_there'"  # noqa: S608 - our own
    assert broken_by(changed) == set()


def test_the_window_and_the_delay_were_judged_elsewhere():
    """Of what was redeemed here, they still are."""
    assert broken_by("UPDATE vouchers SET starts_at = now()") == {WINDOW}
    assert broken_by("UPDATE vouchers SET starts_at = NULL; UPDATE discounts SET is_imported = false") == {ORIGIN}
    assert broken_by("DELETE FROM imported_discounts WHERE ref = 'di_4'") >= {LONG_AGO}


def test_the_place_of_a_customer_is_not_free_because_of_a_refund_here():
    """The invoices of elsewhere were not refunded."""
    refund("inv_1", "r1", base=8_000)
    assert violations() == []
    free = f"""
        INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
        SELECT project, id, voucher_id, customer, 'customer', now() FROM discounts WHERE id = {COUPON}
    """  # noqa: S608 - the constant above
    assert broken_by(free) == {RETURNED}
    unused = """
        DELETE FROM returned_places;
        UPDATE imported_discounts
        SET cycles = 0, first_cycle_start = NULL, last_cycle_start = NULL, last_cycle_end = NULL WHERE ref = 'di_1'
    """
    assert broken_by(unused) >= {FREE}


def test_a_stamp_card_of_elsewhere_is_complete():
    """A discount that was redeemed here still needs the stamps."""
    card = "UPDATE vouchers SET stamps_required = 10 WHERE imported_redemptions = 0"
    assert broken_by(card) == set()
    assert broken_by("UPDATE vouchers SET stamps_required = 10 WHERE imported_redemptions = 3") == {CARD}
