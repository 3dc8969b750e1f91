"""Why each discount took something or nothing off an invoice: as `billing.apply` answered, and where it was silent."""

import re
from typing import Any

import pytest

from tests.explanations.calls import explained, on_invoice
from tests.support.changes import extend, move
from tests.support.credits import BALANCE, credit
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, refund, reverse

pytestmark = pytest.mark.usefixtures("database")

CLOCKED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
HERE = {"customer": "cus_1", "subscription": "sub_1", "startsOn": "2027-01-01", "currency": "USD"}
ONE_MONTH = {"recurrence": {"type": "repeating", "durationInMonths": 1}}
FIXED = {"priceDiscount": {"amount": 1_000, "currency": "USD"}}


def grant(**fields: Any) -> str:
    """Redeem a new voucher on sub_1 for cus_1, from 2027 on, and return the discount."""
    discount: str = redeem(voucher=create_voucher(**fields)["id"], **HERE)["discount"]
    return discount


def said(invoice: str, discount: str, *, listed: str = "discounts") -> tuple[str, str | None, str]:
    """Return the outcome, the reason and the sentences for a discount on an invoice, with instants masked."""
    found = on_invoice(invoice, discount, listed=listed)
    return found["outcome"], found["reason"], CLOCKED.sub("<instant>", found["text"])


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
            "no line of the invoice has one of its products.",
        ),
        ("currency_mismatch", FIXED, {"currency": "EUR"}, "it has no amount in EUR, the currency of the invoice."),
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


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (FIXED, "It took nothing off: its USD 10.00 was used in the same cycle, or the lines had nothing left."),
        ({}, "It took nothing off: the lines had nothing left, or too little for a share of them."),
    ],
)
def test_a_discount_with_nothing_left_says_so(terms, text):
    """The reason stays, also if the first invoice of the cycle is voided later."""
    discount = grant(**terms)
    apply(invoice="inv_0")
    lines = [{"id": "base", "amount": 8_000 if terms else 1}]
    assert apply(invoice="inv_1", lines=lines)["skipped"][0]["reason"] == "nothing_left"
    reverse("inv_0")
    assert said("inv_1", discount) == ("skipped", "nothing_left", text)


@pytest.mark.parametrize(
    ("terms", "first", "second", "text"),
    [
        (ONCE, FEBRUARY, MARCH, "it was for a single invoice, which it had reduced before."),
        (ONE_MONTH, FEBRUARY, MARCH, "the cycle is outside its window: 2027-02-01 to 2027-03-01."),
        (
            {"recurrence": {"type": "repeating", "durationInCycles": 1}},
            FEBRUARY,
            MARCH,
            "it is for 1 billing cycle, which had been discounted before.",
        ),
        (
            {**BALANCE, "recurrence": {"type": "forever"}},
            FEBRUARY,
            MARCH,
            "its balance of USD 50.00 was used up or its time was over.",
        ),
    ],
)
def test_a_discount_that_was_over_says_so(terms, first, second, text):
    """`billing.apply` does not list it."""
    discount = grant(**terms)
    apply(invoice="inv_1", period=first)
    answer = apply(invoice="inv_2", period=second)
    assert answer["discounts"] == answer["skipped"] == []
    assert said("inv_2", discount) == ("not_listed", "completed", f"It took nothing off, because {text}")
    assert said("inv_1", discount)[0] == "applied"


@pytest.mark.parametrize("change", ["extended", "voided"])
def test_a_discount_that_was_over_then_and_is_not_now_names_no_figure(change):
    """Its present window is not that of the invoice."""
    discount = grant(**ONE_MONTH)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    extend(discount, months=1) if change == "extended" else reverse("inv_1")
    text = "It took nothing off, because it was over for this invoice. It was extended since, or got something back."
    assert said("inv_2", discount) == ("not_listed", "completed", text)


def test_an_ended_discount_was_ended_before_the_invoice():
    """One that was ended later took something off the earlier invoice."""
    discount = grant()
    apply(invoice="inv_1", period=FEBRUARY)
    end(discount)
    apply(invoice="inv_2", period=MARCH)
    assert said("inv_1", discount)[0] == "applied"
    text = "It took nothing off, because it was ended on <instant>, before the invoice."
    assert said("inv_2", discount) == ("not_listed", "ended", text)


def test_a_discount_that_was_redeemed_after_the_invoice_came_too_late():
    """The most frequent mistake: the code was typed after the invoice was built."""
    apply(invoice="inv_1")
    discount = grant()
    text = "It took nothing off, because it was redeemed on <instant>, after the invoice or at the same moment."
    assert said("inv_1", discount) == ("not_listed", "redeemed_later", text)


def test_a_moved_discount_is_explained_on_the_invoices_of_both_subscriptions():
    """Before and after the move, on the old subscription and on the new one."""
    discount = grant()
    apply(invoice="old_before", period=FEBRUARY)
    apply(invoice="new_before", period=FEBRUARY, subscription="sub_2")
    move(discount)
    apply(invoice="old_after", period=MARCH)
    apply(invoice="new_after", period=MARCH, subscription="sub_2")
    assert said("old_before", discount)[:2] == said("new_after", discount)[:2] == ("applied", None)
    assert said("old_after", discount) == (
        "not_listed",
        "moved_away",
        "It took nothing off, because it was moved to another subscription on <instant>, before the invoice.",
    )
    assert said("new_before", discount) == (
        "not_listed",
        "moved_later",
        "It took nothing off, because it was moved to this subscription on <instant>, after the invoice.",
    )


def test_two_discounts_of_a_voucher_take_turns():
    """The first redeemed takes part. When it is over, the second does."""
    voucher = create_voucher(**ONE_MONTH)["id"]
    first = redeem(voucher=voucher, **{**HERE, "startsOn": "2020-01-01"})["discount"]
    apply(invoice="inv_1", period={"start": "2020-01-01", "end": "2020-02-01"})
    second = redeem(voucher=voucher, **{**HERE, "startsOn": "2020-01-01"})["discount"]
    late = apply(invoice="inv_2", period={"start": "2020-01-01", "end": "2020-02-01"})
    assert [each["discount"] for each in late["discounts"]] == [first]
    text = "It took nothing off, because another discount of the same voucher came first on the invoice."
    assert said("inv_2", second) == ("not_listed", "already_applied", text)
    apply(invoice="inv_3", period=APRIL)
    assert (said("inv_3", first)[1], said("inv_3", second)[0]) == ("completed", "applied")


def test_a_discount_of_the_customer_on_another_subscription_is_named_elsewhere():
    """With no discount on the subscription itself, this is the finding."""
    other = redeem(voucher=create_voucher()["id"], **{**HERE, "subscription": "sub_2"})["discount"]
    apply(invoice="inv_1")
    explanation = explained(invoice="inv_1")
    assert (explanation["finding"], explanation["discounts"]) == ("other_subscription", [])
    assert explanation["text"] == (
        "Nothing was taken off this invoice: the customer has discounts, but on other subscriptions only."
    )
    text = "It took nothing off, because it is on another subscription."
    assert said("inv_1", other, listed="elsewhere") == ("not_listed", "other_subscription", text)
    here = grant()
    explanation = explained(invoice="inv_1")
    assert [each["id"] for each in explanation["discounts"]] == [here]
    assert [each["id"] for each in explanation["elsewhere"]] == [other]


@pytest.mark.parametrize(("typed", "finding"), [(None, "never_redeemed"), ("TYPO", "only_refused")])
def test_an_invoice_without_any_discount_says_whether_one_was_asked_for(typed, finding):
    """The customer typed a code at the checkout, under an id that is not the subscription, or typed none."""
    if typed:
        redeem(code=typed, customer="cus_1", subscription="cart_1")
    apply(invoice="inv_1")
    explanation = explained(invoice="inv_1")
    assert (explanation["finding"], len(explanation["requests"])) == (finding, 1 if typed else 0)
    expected = "Refused: there was no such voucher or code." if typed else "because none was asked for."
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


def test_a_discount_that_begins_later_comes_before_no_other():
    """It was redeemed first and moved here. The other discount of the voucher was over by itself."""
    voucher = create_voucher(**ONCE)["id"]
    first = redeem(voucher=voucher, **{**HERE, "subscription": "sub_2", "startsOn": "2030-01-01"})["discount"]
    second = redeem(voucher=voucher, **HERE)["discount"]
    apply(invoice="inv_1", period=FEBRUARY)
    move(first, "sub_1")
    apply(invoice="inv_2", period=MARCH)
    assert said("inv_2", first)[1] == "before_start"
    assert said("inv_2", second)[1] == "completed"
