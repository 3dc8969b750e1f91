"""`billing.reverse` with refunds: each refund reverses its share of the discounts."""

import pytest

from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import ONCE, grant, refund
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("line", "discount", "refunds", "shares"),
    [
        (39_900, 25_000, [26_260], [16_454]),
        (20_033, 694, [10_000, 10_033], [346, 348]),
        (3, 1, [1, 1, 1], [0, 1, 0]),
    ],
)
def test_a_refund_has_its_share_of_the_discount(line, discount, refunds, shares):
    """The rows are Lago's credit note, and partial refunds that add up to exactly the discount."""
    grant(priceDiscount={"amount": discount, "currency": "USD"})
    apply(invoice="inv_1", lines=[{"id": "base", "amount": line}])
    answers = [refund("inv_1", f"r{index}", base=amount) for index, amount in enumerate(refunds)]
    assert [each["lines"][0]["discountShare"] for each in answers] == shares
    assert [each["discounts"][0]["amount"] for each in answers] == shares


def test_a_refund_gives_nothing_back():
    """The `once` stays used, though the whole invoice was refunded."""
    grant(**ONCE)
    apply(invoice="inv_1")
    answer = refund("inv_1", "r1", base=8000)
    assert [(each["status"], each["cycles"]) for each in answer["discounts"]] == [("completed", 1)]
    assert apply()["discountTotal"] == 0


@pytest.mark.parametrize("swept", [False, True])
def test_a_refund_names_a_discount_whose_window_has_ended_as_completed_swept_or_not(swept):
    """The window was February 2025."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2025-01-01")
    apply(invoice="inv_1", period={"start": "2025-02-01", "end": "2025-03-01"})
    if swept:
        task_named("expiry.sweep")(request={})
    assert [each["status"] for each in refund("inv_1", "r1", base=8000)["discounts"]] == ["completed"]


def test_each_discount_of_a_line_has_its_share_of_a_refund():
    """Five refunds share 8.00 and 7.20, and never exceed the rest of each."""
    for _ in range(2):
        grant()
    apply(invoice="inv_1")
    answers = [refund("inv_1", f"r{index}", base=amount) for index, amount in enumerate((1, 7, 3_333, 4_000, 659))]
    assert [sum(part["amount"] for part in each["discounts"]) for each in answers] == [
        each["lines"][0]["discountShare"] for each in answers
    ]
    assert [sum(each["discounts"][index]["amount"] for each in answers) for index in range(2)] == [800, 720]


def test_refunding_more_than_the_rest_of_a_line_is_refused():
    """Nothing of the whole request is written, whichever line is wrong."""
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
    """The same request id is the same refund."""
    grant()
    apply(invoice="inv_1")
    first = refund("inv_1", "r1", base=4000)
    assert refund("inv_1", "r1", base=4000) == first
    assert refund("inv_1", "r2", base=4000)["id"] != first["id"]
    assert refund("inv_1", "r3", base=1)["reason"] == "amount_exceeds_line"
    assert refund("inv_1", "r1", base=3999)["reason"] == "idempotency_conflict"
