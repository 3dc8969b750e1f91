"""Checks of the places of discounts: on invoices of their present subscription only, and one running for a voucher."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from tests.faults.discount_changes import Stay, changes_of
from tests.faults.finding import Finding
from tests.faults.history import History, Json

NOTHING_LEFT = "nothing_left"


def invoices_without_their_discount(history: History) -> Iterator[Finding]:
    """Find invoices that lack a discount for ever that was on their subscription from before until after."""
    unlimited = unlimited_vouchers(history)
    due: defaultdict[str, list[Stay]] = defaultdict(list)
    for (voucher, subscription), stays in changes_of(history).on_subscription.items():
        due[subscription] += stays if voucher in unlimited else ()
    for invoice in history.decided("invoice"):
        applied = {each["discount"] for each in invoice.answer["discounts"]}
        # A tenth of four cents is rounded to nothing.
        applied |= {each["discount"] for each in invoice.answer["skipped"] if each["reason"] == NOTHING_LEFT}
        for stay in due[invoice.answer["subscription"]]:
            if stay.surely_covers(invoice.sent_at, invoice.told_at) and stay.discount not in applied:
                yield Finding("invoice without its discount", invoice.key, f"{stay}")


def discounts_elsewhere(history: History) -> Iterator[Finding]:
    """Find invoices with a discount that cannot have been on their subscription."""
    stays = changes_of(history).of_discount
    for invoice in history.decided("invoice"):
        for each in invoice.answer["discounts"]:
            known = stays.get(each["discount"])
            if known is not None and not any(
                stay.subscription == invoice.answer["subscription"]
                and stay.may_overlap(invoice.sent_at, invoice.told_at)
                for stay in known
            ):
                yield Finding("discount elsewhere", invoice.key, f"{each['discount']}: {known}")


def running_twice(history: History) -> Iterator[Finding]:
    """Find subscriptions on which two discounts for ever of the same voucher ran at the same time."""
    unlimited = unlimited_vouchers(history)
    for (voucher, subscription), stays in changes_of(history).on_subscription.items():
        for one, other in combinations(stays, 2) if voucher in unlimited else ():
            since, until = max(one.sure_since, other.sure_since), min(one.sure_until, other.sure_until)
            if one.discount != other.discount and since < until:
                yield Finding("voucher runs twice", subscription, f"{one} and {other}")


def unlimited_vouchers(history: History) -> set[str]:
    """Return the vouchers of a percentage for ever without an amount to use up: their discounts never end."""
    return {each.answer["id"] for each in history.decided("voucher") if _is_unlimited(each.answer)}


def _is_unlimited(voucher: Json) -> bool:
    return (
        voucher["priceDiscountPercentage"] is not None
        and voucher["recurrence"]["type"] == "forever"
        and voucher["budget"] is None
        and voucher["maximumDiscountInAll"] is None
    )
