"""`billing.reverse` of invoices that credit others, and of invoices that were credited."""

from typing import Any

import pytest

from tests.support.credits import BALANCE, FIXED, HALF, HUNDRED, credit, credit_line, totals
from tests.support.requests import apply, redeem
from tests.support.reversals import GIVING_BACK, MARCH, discount_row, grant, refund, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def credited_invoice(**fields: Any) -> dict[str, Any]:
    """Discount inv_1 by a new voucher, credit half of it by inv_2, which bills 100.00 too, and return both answers."""
    grant(**fields)
    apply(invoice="inv_1", lines=HUNDRED)
    answer: dict[str, Any]
    answer = apply(invoice="inv_2", lines=[credit_line(5_000, of="inv_1"), {"id": "new", "amount": 10_000}])
    return answer


def given() -> dict[str, int]:
    """Return what the only voucher has given."""
    (voucher,) = task_named("vouchers.list")(request={"project": "gigs"})["items"]
    amounts: dict[str, int] = voucher["given"]
    return amounts


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_the_credits_of_an_invoice_are_taken_back_with_it(kind):
    """The line can be credited once more, with the same share."""
    upgraded = credited_invoice(**HALF)
    answer = reverse("inv_2", kind)
    assert (answer["amount"], answer["discountTotal"]) == (upgraded["subtotal"], upgraded["discountTotal"])
    assert answer["lines"] == [
        {"id": "unused", "amount": -5_000, "discountShare": -2_500},
        {"id": "new", "amount": 10_000, "discountShare": 5_000},
    ]
    own, share = answer["discounts"]
    assert (own["amount"], share["amount"]) == (5_000, -2_500)
    assert share["reverses"] == upgraded["credits"][0]["discounts"][0]["usage"]
    assert (share["status"], share["cycles"], discount_row().cycles) == ("running", 1, 1)
    assert given() == {"USD": 5_000}
    assert reverse("inv_2", kind) == answer
    assert credit(10_000, of="inv_1")["discountTotal"] == -5_000


def test_a_refund_of_the_crediting_invoice_leaves_its_credits_alone():
    """Only the new plan can be refunded. A charge-back takes back what is left, and that is the credit alone."""
    credited_invoice(**HALF)
    assert refund("inv_2", "r1", unused=1)["reason"] == "amount_exceeds_line"
    assert refund("inv_2", "r2", new=10_000)["discountTotal"] == 5_000
    assert given() == {"USD": 2_500}
    assert reverse("inv_2", "voided")["reason"] == "already_refunded"
    charged_back = reverse("inv_2", "charged_back")
    assert [each["id"] for each in charged_back["lines"]] == ["unused"]
    assert (charged_back["discountTotal"], given()) == (-2_500, {"USD": 5_000})


def test_a_charge_back_after_refunds_takes_the_credits_back():
    """Something of the new plan was left."""
    credited_invoice(**HALF)
    refund("inv_2", "r1", new=4_000)
    answer = reverse("inv_2", "charged_back")
    assert [each["discountShare"] for each in answer["lines"]] == [-2_500, 3_000]
    assert given() == {"USD": 5_000}


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_the_rest_of_a_credited_invoice_is_given_back(kind):
    """A credit says nothing about the payment. The cycle is free again, and the credit stays in the other invoice."""
    credited_invoice(**HALF, recurrence={"type": "repeating", "durationInCycles": 1})
    reverse("inv_2", "voided")
    credit(5_000, of="inv_1", invoice="inv_3")
    answer = reverse("inv_1", kind)
    assert (answer["lines"], answer["discountTotal"]) == (
        [{"id": "base", "amount": 5_000, "discountShare": 2_500}],
        2_500,
    )
    assert (given(), discount_row().cycles, discount_row().status) == ({}, 0, "running")
    assert credit(1, of="inv_1")["reason"] == "already_reversed"
    # Nothing is given again for the credit of an invoice that is no more.
    last = reverse("inv_3")
    assert (last["discountTotal"], last["lines"][0]["discountShare"], last["discounts"]) == (0, 0, [])
    assert given() == {}


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_nothing_is_left_of_an_invoice_that_was_refunded_and_credited_in_full(kind):
    """The refund says that the invoice was paid, and a bank can take nothing more."""
    grant(**HALF)
    apply(invoice="inv_1", lines=HUNDRED)
    credit(4_000, of="inv_1")
    refund("inv_1", "r1", base=6_000)
    assert reverse("inv_1", kind)["reason"] == "already_refunded"


def test_a_refund_after_a_credit_forbids_a_void():
    """It says that the invoice was paid. A bank does not ask."""
    credited_invoice(**HALF)
    refund("inv_1", "r1", base=1)
    assert reverse("inv_1", "voided")["reason"] == "already_refunded"
    assert reverse("inv_1", "charged_back")["outcome"] == "reversed"


@pytest.mark.parametrize("kind", GIVING_BACK)
@pytest.mark.parametrize(("first", "second"), [("inv_1", "inv_2"), ("inv_2", "inv_1")])
def test_a_cycle_that_was_credited_in_full_is_given_back(kind, first, second):
    """Whichever invoice is reversed first, the discount is as if neither had ever been."""
    granted = grant(**HALF, recurrence={"type": "once"}, budget={"amount": 10_000, "currency": "USD"})
    apply(invoice="inv_1", lines=[*HUNDRED, {"id": "other", "amount": 100, "discountable": False}])
    credit(10_000, of="inv_1", invoice="inv_2")
    answers = {each: reverse(each, kind) for each in (first, second)}
    assert [each["outcome"] for each in answers.values()] == ["reversed"] * 2
    rest = 10_000 if first == "inv_2" else 0
    assert answers["inv_1"]["lines"][0] == {"id": "base", "amount": rest, "discountShare": rest // 2}
    assert (given(), discount_row().cycles, discount_row().status) == ({}, 0, "running")
    shown = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": granted["voucher"]})
    assert shown["spent"] == {"USD": 0}
    assert apply(lines=HUNDRED)["discountTotal"] == 5_000


def test_an_unpaid_upgrade_is_reversed_after_its_plan_was_changed_again():
    """All of its own plan was credited, and its credit of the first plan is taken back."""
    credited_invoice(**HALF)
    credit(10_000, of="inv_2", line="new", invoice="inv_3")
    answer = reverse("inv_2", "payment_failed")
    assert ([each["discountShare"] for each in answer["lines"]], answer["discountTotal"]) == ([-2_500, 0], -2_500)
    assert given() == {"USD": 5_000}
    assert credit(10_000, of="inv_1")["discountTotal"] == -5_000


def test_a_balance_pays_again_what_a_reversed_credit_had_given_back():
    """It was used up before the credit, and is again."""
    grant(**BALANCE)
    apply(invoice="inv_1", lines=HUNDRED)
    credit(4_000, of="inv_1", invoice="inv_2")
    assert discount_row().status == "running"
    (share,) = reverse("inv_2")["discounts"]
    assert (share["amount"], share["status"], discount_row().status) == (-2_000, "completed", "completed")
    assert apply(period=MARCH, lines=HUNDRED)["discounts"] == []


def test_a_balance_of_both_invoices_has_what_both_leave():
    """The upgrade had given back 25.00 and taken them again."""
    credited_invoice(**BALANCE)
    answer = reverse("inv_2")
    assert [each["amount"] for each in answer["discounts"]] == [2_500, -2_500]
    assert {each["status"] for each in answer["discounts"]} == {"completed"}
    assert (given(), discount_row().status) == ({"USD": 5_000}, "completed")


@pytest.mark.parametrize(("fields", "taken"), [(FIXED, 500), (BALANCE, 2_500)])
def test_both_invoices_keep_what_a_reversed_credit_had_given_back(fields, taken):
    """The amount is exceeded by the share. Nothing is left for others, and nothing negative is shown."""
    grant(**fields)
    first = apply(invoice="inv_1", lines=HUNDRED)["discountTotal"]
    credit(5_000, of="inv_1", invoice="inv_2")
    assert apply(invoice="inv_3", lines=HUNDRED)["discountTotal"] == taken
    reverse("inv_2")
    assert given() == {"USD": first + taken}
    assert apply(lines=HUNDRED)["discountTotal"] == 0
    assert refund("inv_1", "r1", base=10_000)["discountTotal"] == first


def test_a_reversed_credit_leaves_no_share_too_few_or_too_many():
    """0.01 of 0.30: the first credit got nothing, the refund the cent, and then the credit is taken back."""
    grant(priceDiscount={"amount": 1, "currency": "USD"})
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 30}])
    shares = [
        credit(10, of="inv_1", invoice="inv_2")["credits"][0]["discountShare"],
        refund("inv_1", "r1", base=5)["discountTotal"],
    ]
    assert reverse("inv_2")["discountTotal"] == 0
    shares += [refund("inv_1", "r2", base=1)["discountTotal"], refund("inv_1", "r3", base=24)["discountTotal"]]
    assert shares == [0, 1, 0, 0]


def test_no_share_is_more_than_its_amount_after_reversed_credits():
    """Of 0.05 on 0.10, the credits with the cents are taken back. The rest of 0.05 is on the rest of 0.08."""
    grant(**HALF)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 10}])
    shares = [credit(1, of="inv_1", invoice=f"c{each}")["credits"][0]["discountShare"] for each in range(4)]
    assert shares == [1, 0, 1, 0]
    reverse("c0")
    reverse("c2")
    later = [credit(1, of="inv_1")["credits"][0]["discountShare"] for _ in range(8)]
    assert (later, sum(later)) == ([1, 0, 1, 1, 0, 1, 0, 1], 5)
    assert credit(1, of="inv_1")["reason"] == "amount_exceeds_line"


def test_the_room_of_the_subscription_is_counted_with_the_balance_that_is_used_up_again():
    """The balance of the credited invoice is over, so the discount of the crediting invoice runs again in its place."""
    voucher = grant(**BALANCE)["voucher"]
    apply(invoice="inv_1", lines=HUNDRED)
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    answer = apply(
        invoice="inv_2", period=MARCH, lines=[{"id": "new", "amount": 10_000}, credit_line(10_000, of="inv_1")]
    )
    assert totals(answer)[-1] == 10_000 - 10_000 - (5_000 - 5_000)
    shown = reverse("inv_2")["discounts"]
    assert sorted(each["amount"] for each in shown) == [-5_000, 5_000]
