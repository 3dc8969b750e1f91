"""Reversing invoices: what is voided or not paid gives the cycle back, a refund its share of the discount."""

from typing import Any

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.fields import uuid_of
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import APRIL, FEBRUARY, GIVING_BACK, MARCH, MAY, ONCE, discount_row, grant, refund, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_once_discount_is_available_again(reason):
    """The next invoice gets it, and the voided one keeps its answer."""
    grant(**ONCE)
    first = apply(invoice="inv_1")
    assert apply(invoice="inv_2")["discountTotal"] == 0
    answer = reverse("inv_1", reason)
    assert (answer["outcome"], answer["discountTotal"], answer["amount"]) == ("reversed", 800, 8000)
    assert answer["lines"] == [{"id": "base", "amount": 8000, "discountShare": 800}]
    assert [(each["status"], each["cycles"], each["endsOn"]) for each in answer["discounts"]] == [("running", 0, None)]
    assert apply(invoice="inv_3")["discountTotal"] == 800
    assert apply(invoice="inv_1") == first
    assert apply(invoice="inv_4")["discountTotal"] == 0


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_window_that_started_on_that_invoice_starts_anew(reason):
    """Two months from March, instead of from February."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    apply(invoice="inv_1", period=FEBRUARY)
    reverse("inv_1", reason)
    answers = [apply(period=each) for each in (MARCH, APRIL, MAY)]
    assert [each["discountTotal"] for each in answers] == [800, 800, 0]
    assert answers[0]["discounts"][0]["endsOn"] == "2027-05-01"


def test_a_window_is_that_of_the_invoices_that_stand():
    """February is voided after March was discounted: it starts in March."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(period=MARCH)
    assert reverse("inv_1")["discounts"][0]["endsOn"] == "2027-05-01"
    assert [apply(period=each)["discountTotal"] for each in (APRIL, MAY)] == [800, 0]


def test_a_cycle_comes_back_with_the_last_of_its_invoices():
    """Two invoices in one period are one cycle: it is given back when both are."""
    grant(recurrence={"type": "repeating", "durationInCycles": 1})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=FEBRUARY)
    assert reverse("inv_1")["discounts"][0]["cycles"] == 1
    assert apply(period=MARCH)["discountTotal"] == 0
    assert reverse("inv_2")["discounts"][0]["cycles"] == 0
    assert apply(period=MARCH)["discountTotal"] == 800


def test_the_end_in_cycles_is_that_of_the_invoices_that_stand():
    """The voided one had the later end of the two."""
    grant(recurrence={"type": "repeating", "durationInCycles": 1})
    apply(invoice="inv_1", period={"start": "2027-02-01", "end": "2027-04-01"})
    apply(invoice="inv_2", period=FEBRUARY)
    assert reverse("inv_1")["discounts"][0]["endsOn"] == "2027-03-01"


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_balance_is_refilled(reason):
    """It was used up, and is completed no more."""
    voucher = create_voucher(
        priceDiscount={"amount": 10_000, "currency": "USD"}, recurrence={"type": "forever"}, carryOver=True
    )
    redeem(voucher=voucher["id"], customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    answers = [apply(invoice="inv_1", period=FEBRUARY), apply(invoice="inv_2", period=MARCH)]
    assert [each["discounts"][0]["debitBalance"] for each in answers] == [2000, 0]
    assert reverse("inv_1", reason)["discounts"][0]["status"] == "running"
    assert task_named("usages.list")(request={"project": "gigs", "voucher": voucher["id"]})["items"][0][
        "statistics"
    ] == {
        "stamp": 0,
        "used": 1,
        "usage": 1,
        "amount": 2000,
        "debitBalance": 8000,
        "currentStamp": 0,
    }
    answer = apply(period=APRIL)
    assert (answer["discountTotal"], answer["discounts"][0]["debitBalance"]) == (8000, 0)
    assert discount_row().status == "completed"


def test_a_periods_allowance_is_given_back():
    """A fixed amount is one allowance for all invoices of a period."""
    grant(priceDiscount={"amount": 9_000, "currency": "USD"})
    totals = [apply(invoice="inv_1")["discountTotal"], apply(invoice="inv_2")["discountTotal"]]
    reverse("inv_1")
    assert [*totals, apply()["discountTotal"], apply()["discountTotal"]] == [8000, 1000, 8000, 0]


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_reversing_twice_changes_nothing(reason):
    """Whoever asks, and under whatever request id: the first answer, and one effect."""
    grant(recurrence={"type": "forever"})
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    first = reverse("inv_1", reason, requestId="r1")
    again = [
        reverse("inv_1", reason, requestId="r1"),
        reverse("inv_1", reason, requestId="r2"),
        reverse("inv_1", reason),
    ]
    assert again == [first] * 3
    assert (discount_row().cycles, discount_row().entries_given_back) == (1, 1)


def test_a_request_id_is_for_one_body():
    """Another body under it is a conflict, and takes nothing back."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    reverse("inv_1", requestId="r1")
    conflict = reverse("inv_2", requestId="r1")
    assert (conflict["outcome"], conflict["reason"], conflict["lines"]) == ("refused", "idempotency_conflict", [])
    assert discount_row().entries_given_back == 1


def test_an_invoice_without_a_discount_is_voided_too():
    """There is nothing to give back, and nothing to refund afterwards."""
    apply(invoice="inv_1")
    answer = reverse("inv_1")
    assert (answer["outcome"], answer["discountTotal"], answer["discounts"]) == ("reversed", 0, [])
    assert refund("inv_1", "r1", base=1)["reason"] == "already_reversed"


def test_what_was_not_applied_is_not_found():
    """Nor is an invoice of another project. Once it is applied, the same request is answered."""
    for _ in range(2):
        with pytest.raises(NotFound, match="invoice"):
            reverse("inv_1", requestId="r1")
    apply(invoice="inv_1")
    with pytest.raises(NotFound, match="invoice"):
        task_named("billing.reverse")(request={"project": "other", "invoice": "inv_1", "reason": "voided"})
    assert reverse("inv_1", requestId="r1")["outcome"] == "reversed"


@pytest.mark.parametrize(
    ("line", "discount", "refunds", "shares"),
    [
        (39_900, 25_000, [26_260], [16_454]),
        (20_033, 694, [10_000, 10_033], [346, 348]),
        (3, 1, [1, 1, 1], [0, 1, 0]),
    ],
)
def test_a_refunds_share_of_the_discount(line, discount, refunds, shares):
    """Lago's credit note, and partial refunds that add up to exactly the discount."""
    grant(priceDiscount={"amount": discount, "currency": "USD"})
    apply(invoice="inv_1", lines=[{"id": "base", "amount": line}])
    answers = [refund("inv_1", f"r{index}", base=amount) for index, amount in enumerate(refunds)]
    assert [each["lines"][0]["discountShare"] for each in answers] == shares
    assert [each["discounts"][0]["amount"] for each in answers] == shares


def test_a_refund_gives_nothing_back():
    """The `once` is used, though all of it was refunded."""
    grant(**ONCE)
    apply(invoice="inv_1")
    answer = refund("inv_1", "r1", base=8000)
    assert [(each["status"], each["cycles"]) for each in answer["discounts"]] == [("completed", 1)]
    assert apply()["discountTotal"] == 0


def test_each_discount_of_a_line_has_its_part_of_a_refund():
    """Of 800 and 720, in five refunds, never more than is left of each."""
    for _ in range(2):
        grant()
    apply(invoice="inv_1")
    answers = [refund("inv_1", f"r{index}", base=amount) for index, amount in enumerate((1, 7, 3_333, 4_000, 659))]
    assert [sum(part["amount"] for part in each["discounts"]) for each in answers] == [
        each["lines"][0]["discountShare"] for each in answers
    ]
    assert [sum(each["discounts"][index]["amount"] for each in answers) for index in range(2)] == [800, 720]


def test_refunding_more_than_there_was_is_refused():
    """Of the whole request nothing is written, whichever line it is."""
    grant()
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 100}, {"id": "seats", "amount": 50}])
    assert refund("inv_1", "r1", base=60)["outcome"] == "reversed"
    refused = refund("inv_1", "r2", base=41, seats=50)
    assert (refused["outcome"], refused["reason"], refused["id"]) == ("refused", "amount_exceeds_line", None)
    assert refund("inv_1", "r3", base=40, other=1)["reason"] == "line_not_found"
    assert refund("inv_1", "r4", base=40, seats=50)["discountTotal"] == 9
    assert refund("inv_1", "r2", base=41, seats=50) == refused
    assert refund("inv_1", "r5", seats=1)["reason"] == "amount_exceeds_line"


def test_equal_refunds_are_told_apart_by_their_request_ids():
    """The same one again is the same refund."""
    grant()
    apply(invoice="inv_1")
    first = refund("inv_1", "r1", base=4000)
    assert refund("inv_1", "r1", base=4000) == first
    assert refund("inv_1", "r2", base=4000)["id"] != first["id"]
    assert refund("inv_1", "r3", base=1)["reason"] == "amount_exceeds_line"
    assert refund("inv_1", "r1", base=3999)["reason"] == "idempotency_conflict"


def test_an_invoice_is_voided_or_refunded_and_not_both():
    """Whichever comes first."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    refund("inv_1", "r1", base=1)
    reverse("inv_2")
    assert reverse("inv_1")["reason"] == "already_refunded"
    assert refund("inv_2", "r2", base=1)["reason"] == "already_reversed"
    assert reverse("inv_2", "payment_failed")["reason"] == "already_reversed"


def test_the_ledger_lists_reversals_that_point_to_what_they_reverse():
    """Negative, and the sums are of all of them."""
    redeemed = grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    voided, refunded = reverse("inv_1"), refund("inv_2", "r1", base=4000)
    (item,) = task_named("usages.list")(request={"project": "gigs", "voucher": redeemed["voucher"]})["items"]
    refs = [(each["ref"], each["refType"], each["usage"], each["amount"]) for each in item["usageRefs"]]
    assert refs == [
        ("inv_1", "invoice", 1, 800),
        ("inv_2", "invoice", 1, 800),
        ("inv_1", "reversal", -1, -800),
        ("inv_2", "reversal", 0, -400),
    ]
    assert (item["statistics"]["usage"], item["statistics"]["amount"]) == (1, 400)
    assert item["updatedAt"] == refunded["reversedAt"]
    with transaction() as session:
        entries = {f"{row.id}": row.invoice for row in session.execute(text("SELECT * FROM usage_entries"))}
    assert [entries[str(uuid_of(each["discounts"][0]["reverses"]))] for each in (voided, refunded)] == [
        "inv_1",
        "inv_2",
    ]


LIMITED = {"restrictions": {"maximumRedemptions": 2, "maximumRedemptionsPerCustomer": 1}}


def redeem_again(first: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """This function will redeem the same voucher for the same customer on another subscription."""
    return redeem(voucher=first["voucher"], customer="cus_1", currency="USD", **fields)


def test_a_customers_own_place_is_freed_when_all_was_refunded_in_full():
    """Not before the last unit of it; the voucher's place stays spent."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 3}, {"id": "seats", "amount": 20}])
    refund("inv_1", "r1", base=3)
    refund("inv_1", "r2", seats=19)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    refund("inv_1", "r3", seats=1)
    assert redeem_again(first)["redemptionNumber"] == 2
    assert redeem(voucher=first["voucher"])["reason"] == "max_redemptions_reached"


def test_what_was_not_refunded_keeps_the_place():
    """Another invoice stands; when it is refunded too, the place is free."""
    first = grant(**LIMITED)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    refund("inv_1", "r1", base=8000)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    refund("inv_2", "r2", base=8000)
    assert redeem_again(first)["outcome"] == "accepted"


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_what_was_voided_or_not_paid_was_never_bought(reason):
    """Of two invoices the other one is refunded in full."""
    first = grant(**LIMITED)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    refund("inv_1", "r1", base=8000)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    reverse("inv_2", reason)
    assert redeem_again(first)["outcome"] == "accepted"


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_what_is_given_back_frees_no_place(reason):
    """Neither the voucher's nor the customer's: the discount is there to be used."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1")
    reverse("inv_1", reason)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    redeem(voucher=first["voucher"])
    assert redeem(voucher=first["voucher"])["reason"] == "max_redemptions_reached"


def test_a_discount_whose_voucher_runs_again_gives_its_cycle_back_all_the_same():
    """It takes no place among the running ones, and each of the two is had once."""
    voucher = create_voucher(**ONCE)["id"]
    for _ in range(2):
        assert redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01")["outcome"] == "accepted"
        apply(invoice="inv_1")
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert redeem(voucher=voucher, subscription="sub_1")["reason"] == "already_applied"
    assert [apply()["discountTotal"] for _ in range(3)] == [800, 800, 0]


def test_no_more_run_than_may_though_one_comes_back():
    """20 run: the one that was completed is available, and does not count."""
    redeem(voucher=create_voucher(**ONCE)["id"], subscription="sub_1", startsOn="2027-01-01")
    apply(invoice="inv_1")
    for _ in range(20):
        percent = create_voucher(priceDiscountPercentage=1)["id"]
        assert redeem(voucher=percent, subscription="sub_1", startsOn="2027-01-01")["outcome"] == "accepted"
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert len(apply()["discounts"]) == 21
    assert len(apply()["discounts"]) == 20


def test_others_that_are_over_take_no_place_swept_or_not():
    """The window of the second redemption is over when the first gets its cycle back."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})["id"]
    for number, period in enumerate(
        ({"start": "2026-01-01", "end": "2026-02-01"}, {"start": "2026-03-01", "end": "2026-04-01"})
    ):
        redeem(voucher=voucher, subscription="sub_1", startsOn=period["start"])
        apply(invoice=f"inv_{number}", period=period)
    assert reverse("inv_0")["discounts"][0]["status"] == "running"


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"reason": "refunded"}, {"requestId", "lines"}),
        ({"reason": "voided", "lines": [{"id": "base", "amount": 1}]}, {"lines"}),
        ({"reason": "refunded", "requestId": "r1", "lines": []}, {"lines"}),
        ({"reason": "refunded", "requestId": "r1", "lines": [{"id": "a", "amount": 0}]}, {"lines.0.amount"}),
        ({"reason": "refunded", "requestId": "r1", "lines": [{"id": "a", "amount": 1}] * 2}, {"lines"}),
        ({"reason": "unknown", "invoice": ""}, {"reason", "invoice"}),
        ({"reason": "voided", "amount": 1}, {"amount"}),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_written(fields, bad):
    """Never with what was sent."""
    grant()
    apply(invoice="inv_1")
    with pytest.raises(InvalidRequest) as error:
        task_named("billing.reverse")(request={"project": "gigs", "invoice": "inv_1", **fields})
    assert {each["field"] for each in error.value.errors} == bad
    assert discount_row().entries_given_back == 0


def test_an_invoice_that_was_never_discounted_again_keeps_its_answer_after_a_void():
    """The same body is answered as at first, another one is a conflict, and neither takes anything off."""
    grant(**ONCE)
    body = invoice(invoice="inv_1")
    first = apply(**body)
    reverse("inv_1")
    assert apply(**body) == first
    assert apply(**{**body, "lines": [{"id": "base", "amount": 1}]})["reason"] == "idempotency_conflict"
    assert discount_row().cycles == 0
