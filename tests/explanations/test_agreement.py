"""Explanations after random histories agree with the first answers, and with the discounts as they were then."""

from random import Random
from typing import Any

import pytest

from domain.explanation import Absence
from tasks.wire.errors import InvalidRequest
from tests.explanations.calls import explained
from tests.support.changes import extend, move
from tests.support.credits import BALANCE, FIXED, credit
from tests.support.endings import end
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, refund, reverse
from tests.support.tasks import task_named

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.slow]

STEPS = 60
SUBSCRIPTIONS = ("sub_1", "sub_2", "sub_3")
PERIODS = (FEBRUARY, MARCH, APRIL)
TERMS: tuple[dict[str, Any], ...] = (
    ONCE,
    {"recurrence": {"type": "repeating", "durationInMonths": 1}},
    {**FIXED, "recurrence": {"type": "repeating", "durationInCycles": 1}},
    {**BALANCE, "recurrence": {"type": "forever"}},
    {"maximumDiscount": {"amount": 300, "currency": "USD"}},
    {"maximumDiscountInAll": {"amount": 1_200, "currency": "USD"}},
    ramp(phase(50, months=1), phase(amount=500, months=1)),
)
STARTS = ("2027-01-01", "2027-01-01", "2027-03-15")


class Story:
    """A random history of a customer with three subscriptions, with the state at each invoice."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a seed, so that a failure comes again
        self.vouchers = [create_voucher(**terms)["id"] for terms in TERMS]
        self.discounts: list[str] = []
        # The first answer to each invoice, and all discounts at that moment, the first redeemed first.
        self.invoices: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}

    def step(self) -> None:
        """Send a random request, whether or not it is refused."""
        steps = [self.redeem, self.redeem, self.apply, self.apply, self.apply]
        if self.discounts:
            steps += [self.move, self.move, self.end, self.extend]
        if self.invoices:
            steps += [self.reverse]
        self.random.choice(steps)()

    def redeem(self) -> None:
        """Redeem a voucher."""
        choose = self.random.choice
        granted = redeem(
            voucher=choose(self.vouchers),
            customer="cus_1",
            subscription=choose(SUBSCRIPTIONS),
            startsOn=choose(STARTS),
            currency="USD",
        )
        if granted["outcome"] == "accepted":
            self.discounts.append(granted["discount"])

    def apply(self) -> None:
        """Discount an invoice, now and then a trial, and remember the discounts as they are."""
        choose, name = self.random.choice, f"inv_{len(self.invoices)}"
        before = task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1", "limit": 200})["items"]
        answer = apply(invoice=name, subscription=choose(SUBSCRIPTIONS), period=choose(PERIODS))
        self.invoices[name] = (answer, before[::-1])

    def move(self) -> None:
        """Move a discount."""
        move(self.random.choice(self.discounts), self.random.choice(SUBSCRIPTIONS))

    def end(self) -> None:
        """End a discount, but not too many of them."""
        if self.random.random() < 0.3:
            end(self.random.choice(self.discounts))

    def extend(self) -> None:
        """Extend a discount, if it counts months."""
        try:
            extend(self.random.choice(self.discounts), months=1)
        except InvalidRequest:
            return

    def reverse(self) -> None:
        """Void, refund or credit an invoice."""
        name = self.random.choice(list(self.invoices))
        match self.random.choice(("voided", "refunded", "credited")):
            case "voided":
                reverse(name)
            case "refunded":
                refund(name, f"refund-{self.random.random()}", base=self.random.randint(1, 4_000))
            case _:
                credited = credit(self.random.randint(1, 4_000), of=name, invoice=f"credit-{self.random.random()}")
                assert credited["outcome"] in {"applied", "refused"}


def expected_absence(discount: dict[str, Any], *, answer: dict[str, Any], before: list[dict[str, Any]]) -> set[str]:
    """Return the possible reasons why an answer does not name a discount, from the state before the invoice."""
    then = {each["id"]: each for each in before}
    if discount["id"] not in then:
        return {Absence.REDEEMED_LATER}
    state = then[discount["id"]]
    if state["subscription"] != answer["subscription"]:
        return {Absence.MOVED_AWAY, Absence.MOVED_LATER, Absence.OTHER_SUBSCRIPTION}
    if state["status"] == "ended":
        return {Absence.ENDED}
    order = [each["id"] for each in before]
    named = [*answer["discounts"], *(each for each in answer["skipped"] if each["reason"] != "before_start")]
    earlier = [
        each
        for each in named
        if each["voucher"] == discount["voucher"] and order.index(each["discount"]) < order.index(discount["id"])
    ]
    if not earlier:
        return {Absence.COMPLETED}
    is_over = state["status"] == "completed" and state["recurrence"]["type"] == "once"
    # What was reversed before and taken again is not known to be over.
    return {Absence.ALREADY_APPLIED, Absence.COMPLETED} if is_over else {Absence.ALREADY_APPLIED}


def assert_agrees(story: Story, name: str) -> set[str]:
    """Compare the explanation of an invoice with its first answer, and return the reasons that were given."""
    answer, before = story.invoices[name]
    explanation = explained(invoice=name, limit=200)
    every = [*explanation["discounts"], *explanation["elsewhere"]]
    assert sorted(each["id"] for each in every) == sorted(story.discounts)
    assert explanation["billed"]["discountTotal"] == answer["discountTotal"]
    found = {each["id"]: each["onInvoice"] for each in every}
    applied = {each["discount"]: (each["amount"], each["lines"]) for each in answer["discounts"]}
    skipped = {each["discount"]: each["reason"] for each in answer["skipped"]}
    for each in every:
        on_invoice = found[each["id"]]
        match on_invoice["outcome"]:
            case "applied":
                assert (on_invoice["amount"], on_invoice["lines"]) == applied.pop(each["id"])
            case "skipped":
                assert on_invoice["reason"] == skipped.pop(each["id"])
            case _:
                possible = expected_absence(each, answer=answer, before=before)
                assert on_invoice["reason"] in possible, (name, each["id"])
                is_elsewhere = each in explanation["elsewhere"]
                assert is_elsewhere == (on_invoice["reason"] == "other_subscription") or "later" in on_invoice["reason"]
    assert (applied, skipped) == ({}, {})
    return {each["reason"] for each in found.values() if each["reason"]}


@pytest.mark.parametrize("seed", range(6))
def test_every_invoice_of_a_random_history_is_explained_by_its_first_answer(seed):
    """After all that happened since: moves, endings, extensions, reversals and credits."""
    story = Story(seed)
    for _ in range(STEPS):
        story.step()
    reasons = {each for name in story.invoices for each in assert_agrees(story, name)}
    assert len(reasons) >= 4
    # The sums are those of the ledger.
    for each in explained(customer="cus_1", limit=200)["discounts"]:
        if not each["moreEntries"]:
            assert each["given"].get("USD", 0) == sum(entry["amount"] for entry in each["entries"])
