"""All transactions lock and insert rows in the same order: of two batches that share rows, one waits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.vouchers.given import add_given
from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.wire.fields import uuid_of
from tests.support.concurrency import until_somebody_waits
from tests.support.credits import credit_line
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import reverse
from worker.database import run_in_transaction, transaction

pytestmark = pytest.mark.usefixtures("database")

COUNT = 20
# A locked row would never become free here, because the holder waits too.
FREE = text("SET LOCAL lock_timeout = '1s'")
PARTS = text("""
    INSERT INTO given_amounts (project, voucher_id, currency, part, amount_minor)
    SELECT 'gigs', :voucher, 'USD', part, 0 FROM generate_series(0, 15) AS part
""")
FREE_PARTS = text("SELECT part FROM given_amounts WHERE voucher_id = :voucher FOR UPDATE SKIP LOCKED")
BUDGET = text("SELECT 1 FROM budgets WHERE voucher_id = :voucher FOR UPDATE")

# Returns the requests of three callers for the same rows: for the first row, for all of them, for all but the first.
Wanted = Callable[[], list[list[dict]]]


def split(*bodies: list[dict]) -> list[list[dict]]:
    """Return the first request of the first caller, all of the second in reverse, and the rest of the third."""
    first, everything, others = bodies
    return [first[:1], everything[::-1], others[1:]]


def same_vouchers() -> list[list[dict]]:
    """Return requests of all callers to redeem the same vouchers."""
    vouchers = [create_voucher()["id"] for _ in range(COUNT)]
    return split(*([redemption(voucher=each) for each in vouchers] for _ in range(3)))


def same_subscriptions() -> list[list[dict]]:
    """Return requests of each caller to redeem a different voucher on the same new subscriptions."""
    vouchers = [create_voucher()["id"] for _ in range(3)]
    names = [f"sub_{index:02}" for index in range(COUNT)]
    return split(*([redemption(voucher=each, subscription=name) for name in names] for each in vouchers))


def same_known_subscriptions() -> list[list[dict]]:
    """Return requests of each caller to redeem a different voucher on the same known subscriptions."""
    bodies = same_subscriptions()
    for each in bodies[1]:
        redeem(voucher=create_voucher()["id"], subscription=each["subscription"])
    return bodies


def same_request_ids() -> list[list[dict]]:
    """Return requests of each caller to redeem a different voucher with the same request ids."""
    vouchers = [create_voucher()["id"] for _ in range(3)]
    return split(
        *([redemption(voucher=each, requestId=f"order-{index:02}") for index in range(COUNT)] for each in vouchers)
    )


def same_discounts() -> list[list[dict]]:
    """Return invoices of all callers for the same subscriptions, each of which has a discount of its own voucher.

    Two connections may add to the same part of a voucher's sum: then one of them waits, which is no fault.
    """
    names = [redeem(voucher=create_voucher()["id"])["subscription"] for _ in range(COUNT)]
    return split(*([invoice(subscription=name) for name in names] for _ in range(3)))


def same_invoices() -> list[list[dict]]:
    """Return the same invoices from all callers, for a subscription without a discount."""
    return split(*([invoice(invoice=f"inv-{index:02}") for index in range(COUNT)] for _ in range(3)))


def same_credited_invoices() -> list[list[dict]]:
    """Return invoices of each caller that credit the same invoices, each of a subscription with its own voucher."""
    names = [redeem(voucher=create_voucher()["id"])["subscription"] for _ in range(COUNT)]
    credited = [apply(invoice=f"credited-{index:02}", subscription=name)["invoice"] for index, name in enumerate(names)]
    return split(*([invoice(lines=[credit_line(1, of=each)]) for each in credited] for _ in range(3)))


def decide(session: Session, bodies: list[dict]) -> None:
    """Redeem or discount all of the requests in the transaction."""
    if "invoice" in bodies[0]:
        apply_all(session, [Apply.model_validate(each) for each in bodies])
    else:
        redeem_all(session, [Redeem.model_validate(each) for each in bodies])


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        same_vouchers,
        same_subscriptions,
        same_known_subscriptions,
        same_request_ids,
        same_discounts,
        same_invoices,
        same_credited_invoices,
    ],
)
def test_whoever_waits_for_the_first_row_holds_none_of_the_others(wanted: Wanted):
    """Another caller can lock the other rows meanwhile, and has to wait for nobody."""
    first, everything, others = wanted()
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        decide(holder, first)
        waiting = threads.submit(run_in_transaction, lambda session: decide(session, everything))
        until_somebody_waits(holder)
        with transaction() as other:
            other.execute(FREE)
            decide(other, others)
            other.rollback()
        holder.rollback()
        waiting.result()


def test_whoever_waits_for_the_first_sum_of_a_voucher_holds_no_other():
    """The amounts come in the opposite order. A connection adds to one part of each sum."""
    first, last = sorted(uuid_of(create_voucher()["id"]) for _ in range(2))
    given = {("gigs", last, "USD"): 0, ("gigs", first, "USD"): 0}
    with transaction() as session:
        for each in (first, last):
            session.execute(PARTS, {"voucher": each})
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        assert len(holder.execute(FREE_PARTS, {"voucher": first}).all()) == 16
        waiting = threads.submit(run_in_transaction, lambda session: add_given(session, given=given))
        until_somebody_waits(holder)
        with transaction() as other:
            assert len(other.execute(FREE_PARTS, {"voucher": last}).all()) == 16
        holder.rollback()
        waiting.result()


def test_a_reversal_that_waits_for_the_first_budget_holds_no_other():
    """The budget of the older voucher is locked first, whichever voucher was redeemed first."""
    budget = {"amount": 100_000, "currency": "USD"}
    vouchers = [create_voucher(budget=budget)["id"] for _ in range(2)]
    for each in reversed(vouchers):
        redeem(voucher=each, subscription="sub_1")
    assert len(apply(invoice="inv_1", subscription="sub_1")["discounts"]) == 2
    first, last = ({"voucher": uuid_of(each)} for each in vouchers)
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute(BUDGET, first)
        waiting = threads.submit(reverse, "inv_1")
        until_somebody_waits(holder)
        with transaction() as other:
            other.execute(FREE)
            assert other.execute(BUDGET, last).all()
        holder.rollback()
        assert waiting.result()["outcome"] == "reversed"
