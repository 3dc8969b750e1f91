"""Each check of discounts, their progress and their windows is made to fail."""

import pytest

from tasks.audit.discounts import DISCOUNT_CHECKS
from tests.audit.ledgers import all_of, begin_with_a_refund, broken_by, open_a_hold
from tests.support.requests import create_voucher, redeem

WINDOW = "a window ends so long after its first period"
RUNS = "a discount runs until it is over"
ENDED = "nothing was taken off by a discount that had ended"
MONTHS = {"recurrence": {"type": "repeating", "durationInMonths": 3}}
# For each check of windows, the terms of a voucher, and a change that breaks only that promise.
WINDOWS = [
    (WINDOW, MONTHS, "UPDATE discounts SET ends_on = '2027-05-02'"),
    (WINDOW, {"recurrence": {"type": "once"}}, "UPDATE discounts SET ends_on = '2027-03-02'"),
    (RUNS, MONTHS, "UPDATE discounts SET status = 'completed'"),
    (RUNS, {"recurrence": {"type": "forever"}}, "UPDATE discounts SET status = 'completed'"),
    (RUNS, {"recurrence": {"type": "once"}}, "UPDATE discounts SET status = 'running', completed_at = NULL"),
]
# For each check, a change that breaks only that promise.
TAMPERING = {
    "a fixed discount gave no more than its amount in a cycle": """
        UPDATE discounts SET amounts_minor = '{"USD": 499, "EUR": 999}'
    """,
    "a discount gave no more than its balance or its maximum in all": """
        INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
        SELECT project, 'later', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                                   currency, amount_minor, created_at)
        SELECT project, discount_id, 'later', gen_random_uuid(),
               (period_start + interval '1 month')::date, (period_end + interval '1 month')::date,
               (cycle_start + interval '1 month')::date, (cycle_end + interval '1 month')::date,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET carry_over = true, status = 'completed', cycles = 2,
               last_cycle_start = (first_cycle_start + interval '1 month')::date,
               last_cycle_end = (last_cycle_end + interval '1 month')::date
    """,
    "a discount whose balance or maximum in all is used up is completed": "UPDATE discounts SET carry_over = true",
    "what an invoice was answered is what the ledger says": """
        UPDATE invoice_discounts SET answer = '{"discountTotal": 501}'
    """,
    "an entry of the ledger is of the same instant as its invoice": """
        UPDATE invoice_discounts SET applied_at = applied_at - interval '1 month'
    """,
    "a discount's progress is what the ledger says": "UPDATE discounts SET cycles = 2",
    "a once discount took part in one invoice": """
        INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
        SELECT project, 'copy', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                                   currency, amount_minor, created_at)
        SELECT project, discount_id, 'copy', gen_random_uuid(), period_start, period_end, cycle_start, cycle_end,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET recurrence = 'once', amounts_minor = '{"USD": 999}', status = 'completed',
               ends_on = last_cycle_end
    """,
    "a repeating discount stayed in its window": """
        UPDATE vouchers SET recurrence = 'repeating', duration_in_months = 1;
        UPDATE discounts SET recurrence = 'repeating', duration_in_months = 1,
               ends_on = (first_cycle_start + interval '1 month')::date;
        INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
        SELECT project, 'later', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                                   currency, amount_minor, created_at)
        SELECT project, discount_id, 'later', gen_random_uuid(),
               (period_start + interval '1 month')::date, (period_end + interval '1 month')::date,
               (cycle_start + interval '1 month')::date, (cycle_end + interval '1 month')::date,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET cycles = 2, last_cycle_start = (first_cycle_start + interval '1 month')::date,
               last_cycle_end = (last_cycle_end + interval '1 month')::date
    """,
    "a discount in cycles ends with its last one": """
        UPDATE vouchers SET recurrence = 'repeating', duration_in_cycles = 2;
        UPDATE discounts SET recurrence = 'repeating', duration_in_cycles = 2, ends_on = '2027-03-01'
    """,
    "an invoice reached the minimum of each discount that it got": """
        UPDATE discounts SET minimum_subtotal_minor = 8001, minimum_subtotal_currency = 'USD'
    """,
    "no subscription runs too many discounts": """
        UPDATE vouchers SET redemptions = 21;
        INSERT INTO vouchers (project, id, created_at, name, percentage_millionths, amounts_minor, currency,
                              recurrence, duration_in_months, redemptions, metadata)
        SELECT project, gen_random_uuid(), created_at, name, percentage_millionths, amounts_minor, currency,
               recurrence, duration_in_months, 1, metadata
        FROM vouchers, generate_series(2, 21);
        UPDATE vouchers SET redemptions = 1;
        INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, code, customer, subscription,
                                 reason, redemption_number, effective_at, decided_at)
        SELECT r.project, v.id::text, gen_random_uuid(), r.fingerprint, v.id, r.code,
               r.customer, r.subscription, r.reason, 1, r.effective_at, r.decided_at
        FROM redemptions r, vouchers v WHERE v.id <> r.voucher_id;
        INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_millionths,
                               amounts_minor, recurrence, duration_in_months, products, starts_on, starts_on_in_utc)
        SELECT d.project, r.id, r.voucher_id, d.customer, d.subscription,
               d.created_at, d.percentage_millionths, d.amounts_minor, d.recurrence, d.duration_in_months,
               d.products, d.starts_on, d.starts_on_in_utc
        FROM discounts d, redemptions r WHERE r.id <> d.id;
        INSERT INTO voucher_changes (project, voucher_id, id, kind, created_at)
        SELECT project, id, gen_random_uuid(), 'created', created_at FROM vouchers
        WHERE redemptions = 1 AND id NOT IN (SELECT voucher_id FROM voucher_changes)
    """,
}


def _up_to(total: str, *, status: str) -> str:
    return f"""
        UPDATE vouchers SET maximum_discount_in_all_minor = '{total}',
               maximum_discount_in_all_currency = substring('{total}', 3, 3);
        UPDATE discounts SET maximum_discount_in_all_minor = '{total}', status = '{status}'
    """  # noqa: S608 - the constants below


# More changes that break a promise, made while a hold is open.
BESIDE_A_HOLD: dict[str, list[str]] = {
    "a fixed discount gave no more than its amount in a cycle": [
        """UPDATE discounts SET amounts_minor = '{"EUR": 999}'""",
        """UPDATE discounts SET amounts_minor = '{"USD": 0}'""",
    ],
    "a discount gave no more than its balance or its maximum in all": [
        """UPDATE discounts SET carry_over = true, status = 'completed', amounts_minor = '{"USD": 0}'""",
        *(_up_to(total, status="completed") for total in ('{"USD": 499}', '{"EUR": 9999}')),
    ],
    "a discount whose balance or maximum in all is used up is completed": [_up_to('{"USD": 500}', status="running")],
    "what an invoice was answered is what the ledger says": [
        """
            DELETE FROM usage_entries;
            UPDATE discounts SET cycles = 0, first_cycle_start = NULL, last_cycle_start = NULL, last_cycle_end = NULL
        """
    ],
    "a discount's progress is what the ledger says": [
        "UPDATE discounts SET first_cycle_start = first_cycle_start - 1",
        "UPDATE discounts SET last_cycle_start = last_cycle_start + 1",
        "UPDATE discounts SET last_cycle_end = last_cycle_end + 1",
    ],
    "a discount in cycles ends with its last one": [
        """
            UPDATE vouchers SET recurrence = 'repeating', duration_in_cycles = 1;
            UPDATE discounts SET recurrence = 'repeating', duration_in_cycles = 1, ends_on = last_cycle_end + 1
        """
    ],
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert {*TAMPERING, WINDOW, RUNS, ENDED} == set(DISCOUNT_CHECKS)


@pytest.mark.usefixtures("each_row")
@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


@pytest.mark.usefixtures("each_row")
@pytest.mark.parametrize(("check", "change"), all_of(BESIDE_A_HOLD))
def test_so_is_a_promise_that_is_broken_in_another_way(check, change):
    """No other check finds a violation."""
    open_a_hold()
    assert broken_by(change) == {check}


@pytest.mark.usefixtures("tampered_database")
@pytest.mark.parametrize(("check", "fields", "change"), WINDOWS)
def test_a_window_or_a_status_that_is_wrong_is_found(check, fields, change):
    """No other check finds a violation, whatever the recurrence."""
    begin_with_a_refund(**fields)
    assert broken_by(change) == {check}


@pytest.mark.usefixtures("tampered_database")
def test_a_discount_that_is_completed_before_its_invoice_is_found():
    """A discount with recurrence `once` has to take part in an invoice first."""
    redeem(voucher=create_voucher(recurrence={"type": "once"})["id"])
    assert broken_by("UPDATE discounts SET status = 'completed'") == {RUNS}


@pytest.mark.usefixtures("reversals")
def test_an_entry_of_a_discount_that_had_ended_is_found():
    """No other check finds a violation."""
    change = """
        INSERT INTO discount_changes (project, discount_id, number, kind, created_at)
        SELECT project, id, 1, 'ended', created_at FROM discounts WHERE status = 'running';
        UPDATE discounts SET status = 'ended', ended_at = created_at WHERE status = 'running'
    """
    assert broken_by(change) == {ENDED}
