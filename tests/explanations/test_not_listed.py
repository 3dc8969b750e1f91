"""Why a discount took nothing off an invoice whose answer does not name it: by its history."""

import pytest

from models.discounts.listing import CHANGES_SHOWN_MAX
from tests.explanations.calls import HERE, explained, grant, said
from tests.support.changes import extend, move
from tests.support.credits import BALANCE
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, reverse

pytestmark = pytest.mark.usefixtures("database")

ONE_MONTH = {"recurrence": {"type": "repeating", "durationInMonths": 1}}


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


def test_a_window_that_began_anew_is_not_named_however_much_was_taken_since():
    """The explanation shows the newest 20 entries, and the reversal is older."""
    discount = grant(**ONE_MONTH)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    reverse("inv_1")
    for number in range(20):
        apply(invoice=f"later_{number}", period=MARCH)
    text = "It took nothing off, because it was over for this invoice. It was extended since, or got something back."
    assert said("inv_2", discount) == ("not_listed", "completed", text)


def test_an_extension_is_noticed_however_often_the_discount_was_moved_since():
    """The history of a discount shows its latest ten changes only."""
    discount = grant(**ONE_MONTH)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    extend(discount, months=1)
    for number in range(CHANGES_SHOWN_MAX):
        move(discount, f"sub_{2 - number % 2}")
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
        "It took nothing off, because it was moved here on <instant>, after the invoice or at the same moment.",
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


@pytest.mark.parametrize("trial", [True, False])
def test_a_discount_for_a_single_invoice_is_over_even_if_another_comes_first(trial):
    """The other one was redeemed first and moved here. A reversal afterwards changes nothing about the invoice."""
    voucher = create_voucher(**ONCE)["id"]
    first = redeem(voucher=voucher, **{**HERE, "subscription": "sub_2"})["discount"]
    second = redeem(voucher=voucher, **HERE)["discount"]
    apply(invoice="inv_1", period=FEBRUARY)
    move(first, "sub_1")
    apply(invoice="inv_2", period=MARCH, trial=trial)
    assert said("inv_2", first)[:2] == (("skipped", "trial") if trial else ("applied", None))
    text = "It took nothing off, because it was for a single invoice, which it had reduced before."
    assert said("inv_2", second) == ("not_listed", "completed", text)
    reverse("inv_1")
    assert said("inv_2", second)[1] == "completed"


def test_a_discount_whose_single_invoice_was_voided_before_comes_second():
    """It could have reduced this invoice, but for the other one."""
    voucher = create_voucher(**ONCE)["id"]
    first = redeem(voucher=voucher, **{**HERE, "subscription": "sub_2"})["discount"]
    second = redeem(voucher=voucher, **HERE)["discount"]
    apply(invoice="inv_1", period=FEBRUARY)
    move(first, "sub_1")
    reverse("inv_1")
    apply(invoice="inv_2", period=MARCH, trial=True)
    assert said("inv_2", second)[1] == "already_applied"
