"""What the discounts named in the answer of `billing.apply` took off an invoice, and what is known without any."""

import pytest

from tests.explanations.calls import HERE, explained, grant, on_invoice, said
from tests.support.credits import BALANCE, credit
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import refund, reverse

pytestmark = pytest.mark.usefixtures("database")

PHASE, PHASE_OF_FIVE = (f"It took USD {amount} off the invoice, in phase" for amount in ("20.00", "5.00"))
FIXED = {"priceDiscount": {"amount": 1_000, "currency": "USD"}}


@pytest.mark.parametrize(
    ("terms", "amount", "text"),
    [
        ({}, 800, "It took USD 8.00 off the invoice."),
        (FIXED, 1_000, "It took USD 10.00 off the invoice."),
        (BALANCE, 5_000, "It took USD 50.00 off the invoice."),
        (
            {"priceDiscount": {"amount": 9_000, "currency": "USD"}},
            8_000,
            "It took USD 80.00 off the invoice, not USD 90.00: the cycle, the lines or a cap had no more left.",
        ),
        (
            {"maximumDiscount": {"amount": 500, "currency": "USD"}},
            500,
            "It took USD 5.00 off the invoice, which is its maximum on one invoice.",
        ),
        (ramp(phase(25, months=3), phase(10, months=1)), 2_000, f"{PHASE} 1 of 2: 25 %."),
        (ramp(phase(amount=500, cycles=3)), 500, f"{PHASE_OF_FIVE} 1 of 1: USD 5.00."),
        (
            ramp(phase(amount=9_000, cycles=3)),
            8_000,
            "It took USD 80.00 off the invoice, not USD 90.00: the cycle, the lines or a cap had no more left.",
        ),
    ],
)
def test_a_discount_that_took_something_says_how_much(terms, amount, text):
    """And why it was less than the amount of its terms."""
    terms = {"recurrence": {"type": "repeating", "durationInMonths": 3}, **terms}
    discount = grant(**terms)
    answer = apply(invoice="inv_1")
    found = on_invoice("inv_1", discount)
    assert (found["outcome"], found["reason"], found["amount"], found["text"]) == ("applied", None, amount, text)
    assert found["lines"] == {"base": amount}
    explanation = explained(invoice="inv_1")
    assert explanation["finding"] == "taken"
    assert explanation["text"] == f"USD {amount / 100:.2f} was taken off this invoice by 1 discount."
    shown = {**explanation["billed"]}
    assert shown.pop("customer") == "cus_1"
    assert shown == {name: answer[name] for name in shown}


def test_what_was_reversed_of_it_is_said_too():
    """Refunds and credits, with their sum and each by itself."""
    discount = grant()
    apply(invoice="inv_1")
    refund("inv_1", "refund-1", base=2_000)
    credit(1_000, of="inv_1", invoice="inv_2")
    found = on_invoice("inv_1", discount)
    assert (found["amount"], found["reversed"]) == (800, 300)
    assert [each["kind"] for each in found["reversals"]] == ["refunded", "credited"]
    assert found["text"] == "It took USD 8.00 off the invoice. Of this, USD 3.00 was reversed since."
    assert explained(invoice="inv_1")["billed"]["reversed"]["kind"] == "credited"


def test_the_sum_of_many_refunds_is_that_of_all():
    """The answer shows the newest of them."""
    discount = grant()
    apply(invoice="inv_1")
    for number in range(30):
        refund("inv_1", f"refund-{number}", base=100)
    found = on_invoice("inv_1", discount)
    assert (found["reversed"], len(found["reversals"])) == (300, 20)


def test_a_discount_that_is_skipped_beside_an_exclusive_one_says_so():
    """The void of the first invoice has brought the two together."""
    once = create_voucher(recurrence={"type": "once"})["id"]
    redeem(voucher=once, **HERE)
    apply(invoice="inv_0")
    exclusive = redeem(voucher=create_voucher(exclusive=True)["id"], **HERE)["discount"]
    reverse("inv_0")
    assert apply(invoice="inv_1")["skipped"][0]["discount"] == exclusive
    text = "It took nothing off, because it or the discount before it is never together with another."
    assert said("inv_1", exclusive) == ("skipped", "not_combinable", text)


@pytest.mark.parametrize(
    ("reason", "terms", "invoice", "text"),
    [
        ("trial", {}, {"trial": True}, "the invoice is for a trial."),
        (
            "before_start",
            {},
            {"period": {"start": "2026-11-01", "end": "2026-12-01"}},
            "it covers only cycles that end after 2027-01-01.",
        ),
        (
            "product_not_eligible",
            {"restrictions": {"products": ["prod_b"]}},
            {"lines": [{"id": "base", "amount": 8_000, "product": "prod_a"}]},
            "no line of the invoice is for a product that it discounts.",
        ),
        ("currency_mismatch", FIXED, {"currency": "EUR"}, "it has no amount in EUR, the currency of the invoice."),
        (
            "minimum_subtotal_not_met",
            {"restrictions": {"minimumSubtotal": {"amount": 8_001, "currency": "USD", "on": "invoice"}}},
            {},
            "its lines of the invoice were not USD 80.01 or more, before discounts.",
        ),
        (
            "budget_spent",
            {"budget": {"amount": 1, "currency": "USD"}},
            {},
            "nothing of the voucher's budget in USD was left.",
        ),
    ],
)
def test_a_skipped_discount_has_the_reason_of_the_first_answer(reason, terms, invoice, text):
    """The explanation does not decide again."""
    discount = redeem(voucher=create_voucher(**terms)["id"], **HERE, products=["prod_b"])["discount"]
    if reason == "budget_spent":
        apply(invoice="inv_0")
    answer = apply(invoice="inv_1", **invoice)
    assert answer["skipped"][0]["reason"] == reason
    assert said("inv_1", discount) == ("skipped", reason, f"It took nothing off, because {text}")
    explanation = explained(invoice="inv_1")
    assert (explanation["finding"], explanation["text"]) == (
        "nothing_taken",
        "Nothing was taken off this invoice. Each discount says why.",
    )


def test_an_invoice_that_got_the_rest_of_the_total_says_so():
    """And a later one that the discount was over."""
    discount = grant(maximumDiscountInAll={"amount": 1_000, "currency": "USD"})
    for number in range(3):
        apply(invoice=f"inv_{number}")
    assert said("inv_0", discount)[2] == "It took USD 8.00 off the invoice."
    assert said("inv_1", discount)[2] == "It took USD 2.00 off the invoice, which was the rest of its maximum in all."
    text = "It took nothing off, because its maximum of USD 10.00 in all was taken or its time was over."
    assert said("inv_2", discount) == ("not_listed", "completed", text)


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (
            {"maximumDiscountInAll": {"amount": 1_000, "currency": "USD"}},
            "It took nothing off: the lines or its maximum of USD 10.00 in all had too little left.",
        ),
        (FIXED, "It took nothing off: its USD 10.00 was used in the same cycle, or the lines had nothing left."),
        ({}, "It took nothing off: the lines had nothing left, or too little for a share of them."),
    ],
)
def test_a_discount_with_nothing_left_says_so(terms, text):
    """The reason stays, also if the first invoice of the cycle is voided later."""
    discount = grant(**terms)
    apply(invoice="inv_0")
    lines = [{"id": "base", "amount": 8_000 if "priceDiscount" in terms else 1}]
    assert apply(invoice="inv_1", lines=lines)["skipped"][0]["reason"] == "nothing_left"
    reverse("inv_0")
    assert said("inv_1", discount) == ("skipped", "nothing_left", text)


@pytest.mark.parametrize(("typed", "finding"), [(None, "never_redeemed"), ("TYPO", "only_refused")])
def test_an_invoice_without_any_discount_says_whether_one_was_asked_for(typed, finding):
    """The customer typed a code at the checkout, under an id that is not the subscription, or typed none."""
    if typed:
        redeem(code=typed, customer="cus_1", subscription="cart_1")
    apply(invoice="inv_1")
    explanation = explained(invoice="inv_1")
    assert (explanation["finding"], len(explanation["requests"])) == (finding, 1 if typed else 0)
    expected = "Refused: there was no such voucher or code." if typed else "One that was given up is a dead letter."
    assert explanation["text"].endswith(expected)


def test_requests_for_the_subscription_by_another_customer_are_shown_too():
    """The discount goes by the subscription, whoever redeemed it."""
    redeem(voucher=create_voucher()["id"], **{**HERE, "customer": "cus_2"})
    redeem(code="TYPO", **HERE)
    apply(invoice="inv_1")
    requests = explained(invoice="inv_1")["requests"]
    assert [each["customer"] for each in requests] == ["cus_2", "cus_1"]


@pytest.mark.parametrize("known", ["never sent", "of another project", "refused because of a credit"])
def test_an_invoice_that_was_never_discounted_is_explained(known):
    """A person who types an id gets an answer, not an error."""
    if known == "of another project":
        apply(project="other", invoice="inv_1")
    if known == "refused because of a credit":
        assert credit(100, of="unknown", invoice="inv_1")["outcome"] == "refused"
    explanation = explained(invoice="inv_1")
    assert (explanation["finding"], explanation["billed"], explanation["discounts"]) == ("invoice_not_found", None, [])
    assert explanation["text"] == "No such invoice was discounted: billing.apply never got it, or refused it."


def test_a_notice_about_the_invoice_is_a_sentence():
    """The invoice names no cycle, and probably belongs to the one before."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2", period={"start": "2027-02-10", "end": "2027-03-01"})
    assert explained(invoice="inv_2")["text"] == (
        "USD 8.00 was taken off this invoice by 1 discount. "
        "The invoice names no billing cycle, and its period begins inside one that was discounted before."
    )
