"""Reversals at the same moment as others, in threads with real commits. The audit follows each test."""

from collections import Counter

import pytest

from tests.invoices.calls import grant, refunded, reversal
from tests.support.concurrency import at_once, send
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import ONCE, discount_row, refund
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


@pytest.mark.parametrize("kind", ["voided", "payment_failed"])
def test_equal_reversals_at_once_have_one_effect_and_one_answer(kind):
    """Of 16 requests, six share a request id, five have their own, and five have none."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    ids = [{"requestId": "r0"}] * 6 + [{"requestId": f"r{number}"} for number in range(1, 6)] + [{}] * 5
    answers = at_once(send("billing.reverse", [reversal(kind=kind, **each) for each in ids]))
    assert all(answer == answers[0] for answer in answers)
    assert (discount_row().cycles, discount_row().entries_given_back) == (1, 1)


def test_of_a_void_and_a_failed_payment_at_once_only_one_is_accepted():
    """The kind that comes second is refused."""
    grant()
    apply(invoice="inv_1")
    kinds = ["voided", "payment_failed"] * 6
    answers = at_once(send("billing.reverse", [reversal(kind=kind) for kind in kinds]))
    counts = Counter((answer["kind"], answer["reason"]) for answer in answers)
    assert sorted(counts.values()) == [6, 6]
    assert {reason for _, reason in counts} == {None, "already_reversed"}


def test_refunds_at_once_never_exceed_the_line_and_add_up_to_the_discount():
    """Of 16 refunds of an eighth, 8 are made. Each request is sent twice and counts once."""
    voucher = create_voucher(priceDiscount={"amount": 701, "currency": "USD"})["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1")
    answers = at_once(send("billing.reverse", [refunded(number) for number in range(16)] * 2))
    assert Counter(answer["reason"] for answer in answers) == {None: 16, "amount_exceeds_line": 16}
    assert answers[:16] == answers[16:]
    assert sum(answer["discountTotal"] for answer in answers[:16] if answer["reason"] is None) == 701


def test_invoices_at_once_use_a_cycle_that_is_given_back_once():
    """While a `once` is given back, 12 invoices ask for it. A single invoice gets it, if not now then later."""
    grant(**ONCE)
    apply(invoice="inv_1")
    calls = send("billing.reverse", [reversal()] * 4) + send("billing.apply", [invoice() for _ in range(12)])
    answers = at_once(calls)[4:]
    later = [apply() for _ in range(2)]
    assert Counter(answer["discountTotal"] for answer in [*answers, *later]) == {800: 1, 0: 13}


def test_a_reversal_and_redemptions_at_once_leave_one_discount_running():
    """The voucher has one running discount on its subscription, in whichever order the requests came."""
    first = grant(**ONCE)
    apply(invoice="inv_1")
    again = [redemption(voucher=first["voucher"], subscription="sub_1") for _ in range(8)]
    answers = at_once(send("billing.reverse", [reversal()] * 4) + send("redemptions.redeem", again))
    granted = sum(answer["reason"] is None for answer in answers[4:])
    page = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1", "status": ["running"]})
    assert (granted, len(page["items"])) in {(0, 1), (1, 1)}
    assert {answer["reason"] for answer in answers[4:]} <= {None, "already_applied"}


def test_refunds_at_once_return_a_customers_place_once():
    """Of 8 refunds, the last frees the place, while the customer redeems again. One more redemption is accepted."""
    voucher = create_voucher(**ONCE, restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    apply(invoice="inv_1")
    wanted = [redemption(voucher=voucher, customer="cus_1") for _ in range(8)]
    answers = at_once(
        send("billing.reverse", [refunded(number) for number in range(8)]) + send("redemptions.redeem", wanted)
    )
    assert {answer["reason"] for answer in answers[8:]} <= {None, "customer_limit_reached"}
    late = redeem(voucher=voucher, customer="cus_1")
    assert sum(answer["reason"] is None for answer in [*answers[8:], late]) == 1
    assert refund("inv_1", "late", base=1)["reason"] == "amount_exceeds_line"
