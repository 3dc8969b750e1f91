"""Each discount with its terms, its window, what it gave on which invoice, and what is left of it."""

import re
from typing import Any

import pytest

from tests.explanations.calls import explained
from tests.support.changes import extend, move
from tests.support.credits import BALANCE, credit
from tests.support.endings import end, end_subscription
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, refund, reverse
from tests.support.tampering import tamper
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

CLOCKED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
TWO_MONTHS = {"recurrence": {"type": "repeating", "durationInMonths": 2}}
TWO_CYCLES = {"recurrence": {"type": "repeating", "durationInCycles": 2}}

HERE = {"customer": "cus_1", "subscription": "sub_1"}
BALANCE_FOR_EVER = {**BALANCE, "recurrence": {"type": "forever"}}
NOT_BEGUN = "It took nothing off so far. It begins with the first invoice of a cycle that ends after 2027-01-01."
IN_TWO_PHASES = "A discount in phases: 33.3333 % for 1 month, then USD 5.00 for 2 months."
ONLY_PRODUCTS = "Only the products that it names are discounted."
ALL_BUT_EXCLUDED = "The products that it excludes are not discounted."
UP_TO_TEN = {"maximumDiscountInAll": {"amount": 1_000, "currency": "USD"}}
AT_MOST_TEN = "At most USD 10.00 is taken off in all."
SIX_UNTIL = "It is running, with USD 6.00 of its maximum in all left, and the full price applies from 2027-04-01."
ONE_OF_TWO = "It is running: 1 of 2 billing cycles were discounted."
REST_UNTIL = "It is running, with USD 10.00 of the balance left, and the full price applies from 2027-04-01."


def grant(**fields: Any) -> dict[str, Any]:
    """Redeem a new voucher on sub_1 for cus_1, from 2027 on."""
    voucher = create_voucher(**fields)["id"]
    return redeem(voucher=voucher, **HERE, startsOn="2027-01-01", currency="USD", products=["prod_a"])


def only_discount(**subject: Any) -> dict[str, Any]:
    """Return the only discount of an explanation, with the clock's instants masked in its sentences."""
    (found,) = explained(**(subject or {"customer": "cus_1"}))["discounts"]
    return {**found, "text": CLOCKED.sub("<instant>", found["text"])}


def test_a_discount_is_shown_as_in_its_list():
    """With all the fields of `discounts.list`."""
    grant(**TWO_MONTHS, maximumDiscount={"amount": 500, "currency": "USD"})
    apply()
    (listed,) = task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"]
    found = only_discount()
    assert {**found, **listed} == found
    assert found["text"] == (
        "10 % off, for 2 months. At most USD 5.00 is taken off one invoice. "
        "It is running, and the full price applies from 2027-04-01."
    )


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, f"10 % off, for ever. {NOT_BEGUN}"),
        ({"priceDiscountPercentage": 12.5, **ONCE}, f"12.5 % off a single invoice. {NOT_BEGUN}"),
        ({"restrictions": {"products": ["prod_a"]}}, f"10 % off, for ever. {ONLY_PRODUCTS} {NOT_BEGUN}"),
        ({"restrictions": {"excludedProducts": ["prod_b"]}}, f"10 % off, for ever. {ALL_BUT_EXCLUDED} {NOT_BEGUN}"),
    ],
)
def test_a_discount_that_has_not_begun_says_from_when_it_counts(terms, text):
    """Its window begins with its first invoice."""
    grant(**terms)
    found = only_discount()
    assert (found["standing"], found["given"], found["entries"], found["text"]) == ("not_yet_begun", {}, [], text)


@pytest.mark.parametrize(
    ("terms", "invoices", "text", "left"),
    [
        ({}, 1, "10 % off, for ever. It is running, without an end.", (None, None)),
        (TWO_CYCLES, 1, f"10 % off, for 2 billing cycles. {ONE_OF_TWO}", (1, None)),
        (
            BALANCE_FOR_EVER,
            1,
            "A balance of USD 50.00, for ever. It is running, with USD 10.00 of the balance left.",
            (None, {"USD": 1_000}),
        ),
        ({**BALANCE, **TWO_MONTHS}, 1, f"A balance of USD 50.00, for 2 months. {REST_UNTIL}", (None, {"USD": 1_000})),
        (
            BALANCE_FOR_EVER,
            2,
            "A balance of USD 50.00, for ever. It is over: its balance of USD 50.00 is used up.",
            (None, {"USD": 0}),
        ),
        (
            ramp(phase(33.3333, months=1), phase(amount=500, months=2)),
            1,
            f"{IN_TWO_PHASES} It is running, and the full price applies from 2027-05-01.",
            (None, None),
        ),
        (
            ramp(phase(50, cycles=1), phase(25, cycles=1)),
            1,
            f"A discount in phases: 50 % for 1 billing cycle, then 25 % for 1 billing cycle. {ONE_OF_TWO}",
            (1, None),
        ),
        (
            UP_TO_TEN,
            1,
            f"10 % off, for ever. {AT_MOST_TEN} It is running, with USD 6.00 of its maximum in all left.",
            (None, {"USD": 600}),
        ),
        (
            {**UP_TO_TEN, **TWO_MONTHS},
            1,
            f"10 % off, for 2 months. {AT_MOST_TEN} {SIX_UNTIL}",
            (None, {"USD": 600}),
        ),
        (
            {**UP_TO_TEN, "priceDiscountPercentage": 50},
            1,
            f"50 % off, for ever. {AT_MOST_TEN} It is over: it has taken its maximum of USD 10.00 in all.",
            (None, {"USD": 0}),
        ),
        (ONCE, 1, "10 % off a single invoice. It is over: the full price applies from 2027-03-01.", (None, None)),
    ],
)
def test_a_discount_says_what_is_left_of_it(terms, invoices, text, left):
    """In cycles, as a balance, or until the end of its window."""
    grant(**terms)
    for number in range(invoices):
        apply(invoice=f"inv_{number}", lines=[{"id": "base", "amount": 4_000}], period=(FEBRUARY, MARCH)[number])
    found = only_discount()
    assert (found["text"], (found["cyclesLeft"], found["balanceLeft"])) == (text, left)


def test_a_discount_is_over_from_its_full_price_on_swept_or_not():
    """The window lies in the past. The stored status is that of the last sweep."""
    voucher = create_voucher(**TWO_MONTHS)["id"]
    redeem(voucher=voucher, **HERE, startsOn="2020-01-01")
    apply(period={"start": "2020-01-01", "end": "2020-02-01"})
    before = only_discount()
    task_named("expiry.sweep")(request={})
    after = only_discount()
    assert (before["status"], after["status"]) == ("running", "completed")
    assert before["standing"] == after["standing"] == "completed"
    assert before["text"] == "10 % off, for 2 months. It is over: the full price applies from 2020-03-01."


@pytest.mark.parametrize("ending", ["discount", "subscription"])
def test_an_ended_discount_says_when_it_was_ended(ending):
    """By `discounts.end` or by `subscriptions.end`."""
    granted = grant()
    end(granted["discount"]) if ending == "discount" else end_subscription()
    found = only_discount()
    assert (found["standing"], found["text"]) == (
        "ended",
        "10 % off, for ever. It was ended on <instant>, on request.",
    )


def test_a_discount_that_lost_its_room_says_so():
    """Its invoice was voided after the voucher had been redeemed again for the subscription."""
    voucher = create_voucher(recurrence={"type": "once"})["id"]
    first = redeem(voucher=voucher, **HERE, startsOn="2027-01-01")
    apply(invoice="inv_1")
    redeem(voucher=voucher, **HERE, startsOn="2027-01-01")
    reverse("inv_1")
    found = {each["id"]: each for each in explained(customer="cus_1")["discounts"]}[first["discount"]]
    assert (found["status"], found["standing"]) == ("completed", "no_room")
    assert found["text"].endswith("It has something left, but no room to run. It still reduces later invoices.")


def test_every_entry_of_the_ledger_is_explained():
    """What was taken, refunded, credited, given again, and given back, in the order of time."""
    grant()
    apply(invoice="inv_1")
    refund("inv_1", "refund-1", base=2_000)
    credit(1_000, of="inv_1", invoice="inv_2")
    reverse("inv_2")
    apply(invoice="inv_3", period=MARCH)
    reverse("inv_3", "payment_failed")
    apply(invoice="inv_4", period=APRIL)
    reverse("inv_4", "charged_back")
    apply(invoice="inv_5", period=APRIL)
    reverse("inv_5")
    found = only_discount()
    assert [(each["kind"], each["invoice"], each["amount"], each["text"]) for each in found["entries"]] == [
        ("applied", "inv_1", 800, "Took USD 8.00 off the invoice, in the billing cycle from 2027-02-01."),
        ("refunded", "inv_1", -200, "A refund took back USD 2.00 of the discount. It gives no billing cycle back."),
        ("credited", "inv_1", -100, "A credit line of a later invoice gave back USD 1.00 of the discount."),
        (
            "credit_reversed",
            "inv_1",
            100,
            "The credit was taken back with its invoice, so the discount gave USD 1.00 again.",
        ),
        ("applied", "inv_3", 800, "Took USD 8.00 off the invoice, in the billing cycle from 2027-03-01."),
        ("payment_failed", "inv_3", -800, "The invoice was never paid, and USD 8.00 came back to the discount."),
        ("applied", "inv_4", 800, "Took USD 8.00 off the invoice, in the billing cycle from 2027-04-01."),
        ("charged_back", "inv_4", -800, "The payment was charged back, and USD 8.00 came back to the discount."),
        ("applied", "inv_5", 800, "Took USD 8.00 off the invoice, in the billing cycle from 2027-04-01."),
        ("voided", "inv_5", -800, "The invoice was voided, and USD 8.00 came back to the discount."),
    ]
    assert [each["creditedBy"] for each in found["entries"] if each["creditedBy"]] == ["inv_2", "inv_2"]
    assert (found["given"], found["moreEntries"]) == ({"USD": 600}, False)


def test_a_discount_whose_invoices_were_all_voided_begins_anew():
    """It took something, so it does not say that it took nothing."""
    grant(**TWO_MONTHS)
    apply(invoice="inv_1")
    reverse("inv_1")
    found = only_discount()
    assert (found["standing"], found["given"]) == ("not_yet_begun", {})
    assert found["text"] == (
        "10 % off, for 2 months. All that it took off since <instant> was reversed. "
        "It begins anew with the next invoice that it reduces."
    )


def test_a_moved_discount_is_seen_from_both_subscriptions():
    """The old one says where it went, the new one that it came, and the customer's list says neither."""
    granted = grant(**TWO_MONTHS)
    apply(invoice="inv_1")
    move(granted["discount"])
    extend(granted["discount"], months=1)
    for subject, place, sentence in (
        ({"subscription": "sub_1"}, "moved_away", " It was moved to another subscription on <instant>."),
        ({"subscription": "sub_2"}, "moved_here", " It was moved to this subscription on <instant>."),
        ({"customer": "cus_1"}, None, ""),
    ):
        found = only_discount(**subject)
        assert (found["id"], found["place"], found["subscription"]) == (granted["discount"], place, "sub_2")
        assert found["text"] == (
            f"10 % off, for 3 months. It is running, and the full price applies from 2027-05-01.{sentence}"
        )
        assert [each["kind"] for each in found["history"]] == ["extended", "moved", "granted"]
        assert found["given"] == {"USD": 800}


def test_each_subscription_tells_when_the_discount_left_it():
    """However often it was moved since."""
    discount = grant()["discount"]
    move(discount)
    move(discount, "sub_3")
    tamper("UPDATE discount_changes SET created_at = '2026-01-02T03:04:00Z' WHERE number = 1")
    ((left,), (there,)) = (explained(subscription=each)["discounts"] for each in ("sub_1", "sub_3"))
    assert left["text"].endswith(" It was moved to another subscription on 2026-01-02 03:04 UTC.")
    assert " It was moved to this subscription on " in there["text"]
    assert "2026-01-02" not in there["text"]


def test_several_currencies_are_named_with_the_main_one_first():
    """The same amount in each of them, and what is left in each."""
    price = {"amount": 5_000, "currency": "USD", "currencyOptions": {"EUR": 4_500, "JPY": 700_000}}
    grant(priceDiscount=price, carryOver=True, recurrence={"type": "forever"})
    apply(currency="EUR", lines=[{"id": "base", "amount": 2_250}])
    found = only_discount()
    assert found["balanceLeft"] == {"EUR": 2_250, "JPY": 350_000, "USD": 2_500}
    assert found["text"] == (
        "A balance of USD 50.00 or EUR 45.00 or JPY 700,000, for ever. "
        "It is running, with USD 25.00 or EUR 22.50 or JPY 350,000 of the balance left."
    )
