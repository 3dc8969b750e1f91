"""Invoices in the middle of a billing cycle, for example for a seat that is added on the 15th."""

from typing import Any

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.invoices.previews import look
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

JANUARY = {"start": "2027-01-01", "end": "2027-02-01"}
FEBRUARY = {"start": "2027-02-01", "end": "2027-03-01"}
MARCH = {"start": "2027-03-01", "end": "2027-04-01"}
MID_JANUARY = {"start": "2027-01-15", "end": "2027-02-01"}
END_OF_JANUARY = {"start": "2027-01-20", "end": "2027-02-01"}
TEN = {"priceDiscount": {"amount": 1_000, "currency": "USD"}}


def grant(*, recurrence: dict[str, Any], **terms: Any) -> str:
    """Redeem a new voucher on sub_1, starting in 2027, and return the discount's id."""
    voucher = create_voucher(recurrence=recurrence, **terms)
    discount: str = redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2027-01-01", currency="USD")[
        "discount"
    ]
    return discount


def months(number: int) -> dict[str, Any]:
    """Return a recurrence of so many months."""
    return {"type": "repeating", "durationInMonths": number}


def cycles(number: int) -> dict[str, Any]:
    """Return a recurrence of so many cycles."""
    return {"type": "repeating", "durationInCycles": number}


def ledger() -> list[tuple[str, ...]]:
    """Return the period and the cycle of each entry."""
    with transaction() as session:
        entries = session.execute(
            text("SELECT period_start, period_end, cycle_start, cycle_end FROM usage_entries ORDER BY created_at, id")
        )
        return [tuple(str(each) for each in row) for row in entries]


def test_an_allowance_is_given_once_in_a_cycle() -> None:
    """A seat that is added on January 15th gets no second 10.00 for January."""
    grant(recurrence=months(2), **TEN)
    first = apply(period=JANUARY)
    seat = apply(period=MID_JANUARY, cycle=JANUARY)
    last = apply(period=FEBRUARY)
    assert [each["discountTotal"] for each in (first, seat, last)] == [1_000, 0, 1_000]
    assert [each["reason"] for each in seat["skipped"]] == ["nothing_left"]
    assert apply(period=MARCH)["discountTotal"] == 0


def test_seat_changes_use_up_no_cycles() -> None:
    """Three cycles are January, February and March, although January has three invoices."""
    grant(recurrence=cycles(3))
    answers = [
        apply(period=JANUARY),
        apply(period=MID_JANUARY, cycle=JANUARY),
        apply(period=END_OF_JANUARY, cycle=JANUARY),
        apply(period=FEBRUARY),
        apply(period=MARCH),
        apply(period={"start": "2027-04-01", "end": "2027-05-01"}),
    ]
    assert [each["discountTotal"] for each in answers] == [800, 800, 800, 800, 800, 0]
    assert [each["cycle"] for answer in answers for each in answer["discounts"]] == [1, 1, 1, 2, 3]
    assert answers[4]["discounts"][0]["fullPriceFrom"] == "2027-04-01"


@pytest.mark.parametrize("recurrence", [months(1), cycles(1)])
def test_the_order_of_the_invoices_of_a_cycle_does_not_matter(recurrence: dict[str, Any]) -> None:
    """The window is January's, although the invoice for the seat came first."""
    grant(recurrence=recurrence)
    seat = apply(period=MID_JANUARY, cycle=JANUARY)
    assert seat["discounts"][0]["fullPriceFrom"] == "2027-02-01"
    assert [apply(period=each)["discountTotal"] for each in (JANUARY, FEBRUARY)] == [800, 0]


def test_the_ledger_has_the_period_and_the_cycle() -> None:
    """Without a cycle, the period is the cycle."""
    grant(recurrence={"type": "forever"})
    apply(period=MID_JANUARY, cycle=JANUARY)
    apply(period=FEBRUARY)
    assert ledger() == [
        ("2027-01-15", "2027-02-01", "2027-01-01", "2027-02-01"),
        ("2027-02-01", "2027-03-01", "2027-02-01", "2027-03-01"),
    ]


def test_a_one_off_purchase_may_belong_to_a_cycle() -> None:
    """Its period is today, whatever the cycle."""
    grant(recurrence=months(1), **TEN)
    assert [apply(period=None, cycle=JANUARY)["discountTotal"], apply(period=JANUARY)["discountTotal"]] == [1_000, 0]


def test_a_voided_invoice_gives_its_share_of_the_cycle_back() -> None:
    """The cycle stays used as long as another of its invoices stands."""
    grant(recurrence=cycles(2), **TEN)
    lines = [{"id": "base", "amount": 600}]
    apply(invoice="inv_a", period=JANUARY, lines=lines)
    apply(invoice="inv_b", period=MID_JANUARY, cycle=JANUARY)
    reverse = task_named("billing.reverse")
    (voided,) = reverse(request={"project": "gigs", "invoice": "inv_b", "kind": "voided"})["discounts"]
    assert (voided["amount"], voided["cycles"]) == (400, 1)
    assert apply(period=END_OF_JANUARY, cycle=JANUARY)["discountTotal"] == 400
    assert [apply(period=each)["discountTotal"] for each in (FEBRUARY, MARCH)] == [1_000, 0]


def test_a_balance_is_shared_by_all_cycles() -> None:
    """The cycle makes no difference to what is left."""
    grant(recurrence=months(3), carryOver=True, **TEN)
    lines = [{"id": "base", "amount": 700}]
    answers = [apply(period=JANUARY, lines=lines), apply(period=MID_JANUARY, cycle=JANUARY, lines=lines)]
    assert [each["discountTotal"] for each in answers] == [700, 300]


def test_another_cycle_is_another_body() -> None:
    """The first request stands."""
    grant(recurrence=months(2))
    first = apply(invoice="inv_1", period=MID_JANUARY, cycle=JANUARY)
    assert apply(invoice="inv_1", period=MID_JANUARY, cycle=JANUARY) == first
    assert apply(invoice="inv_1", period=MID_JANUARY)["reason"] == "idempotency_conflict"


def test_a_cycle_must_not_end_before_it_starts() -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequest) as raised:
        apply(cycle={"start": "2027-02-01", "end": "2027-02-01"})
    assert [each["field"] for each in raised.value.errors] == ["cycle.end"]


def test_a_period_inside_a_discounted_cycle_is_noticed() -> None:
    """The sender has probably forgotten the cycle. A first invoice, a following one and one with its cycle are fine."""
    grant(recurrence=months(6))
    answers = [
        apply(period=JANUARY),
        apply(period=MID_JANUARY),
        apply(period=MID_JANUARY, cycle=JANUARY),
        apply(period=JANUARY),
        apply(period=FEBRUARY),
    ]
    assert [each["notices"] for each in answers] == [[], ["period_inside_cycle"], [], [], []]


def test_notices_do_not_depend_on_the_batch() -> None:
    """A `once` discount takes nothing off a second invoice, so it gives no notice, in the same batch or in the next."""
    requests = [invoice(period=each) for each in (JANUARY, MID_JANUARY, FEBRUARY, END_OF_JANUARY)]
    for recurrence, noticed in ((months(6), ["period_inside_cycle"]), ({"type": "once"}, [])):
        subscription = f"sub_{recurrence['type']}"
        voucher = create_voucher(recurrence=recurrence)
        redeem(voucher=voucher["id"], subscription=subscription, startsOn="2027-01-01")
        bodies = [{**each, "invoice": f"{each['invoice']}-{subscription}"} for each in requests]
        bodies = [{**each, "subscription": subscription} for each in bodies]
        together = task_named("billing.apply_many")(request={"invoices": bodies[:3]})["items"]
        alone = task_named("billing.apply")(request=bodies[3])
        assert [each["notices"] for each in [*together, alone]] == [[], noticed, [], noticed]


def test_a_voided_invoice_gives_no_notice() -> None:
    """Its cycle was not discounted after all."""
    grant(recurrence=months(6))
    apply(invoice="inv_1", period=JANUARY)
    task_named("billing.reverse")(request={"project": "gigs", "invoice": "inv_1", "kind": "voided"})
    assert apply(period=MID_JANUARY)["notices"] == []


def test_a_preview_takes_the_cycle_of_its_periods() -> None:
    """A period that begins inside the cycle belongs to it, and the others are cycles of their own."""
    grant(recurrence=months(2), **TEN)
    apply(period=JANUARY)
    seat = {"anchor": "2027-01-15", "interval": "day"}
    without = look(periods=1, since="2027-01-15", **seat)["periods"]
    body = {"project": "gigs", "subscription": "sub_1", "periods": 1, "from": "2027-01-15", "cycle": JANUARY}
    plan = {**seat, "intervalCount": 17, "currency": "USD", "lines": [{"id": "seat", "amount": 8_000}]}
    answer = task_named("billing.preview")(request={**body, "plan": plan})
    shown, full_price_from = answer["periods"], answer["fullPriceFrom"]
    assert [(each["discountTotal"], each["notices"]) for each in without] == [(1_000, ["period_inside_cycle"])]
    assert [(each["discountTotal"], each["notices"]) for each in shown] == [(0, [])]
    # The plan's later periods of 17 days will not be billed.
    assert full_price_from is None
    applied = apply(period=MID_JANUARY, cycle=JANUARY)
    assert [applied["discountTotal"], applied["notices"]] == [0, []]


def test_a_previewed_period_that_begins_at_the_end_of_the_cycle_is_a_cycle_of_its_own() -> None:
    """The end of a cycle is exclusive, so February has an allowance of its own."""
    grant(recurrence=months(2), **TEN)
    body = {"project": "gigs", "subscription": "sub_1", "periods": 2, "from": "2027-01-01", "cycle": JANUARY}
    terms = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    periods = task_named("billing.preview")(request={**body, "plan": terms})["periods"]
    assert [each["discountTotal"] for each in periods] == [1_000, 1_000]
