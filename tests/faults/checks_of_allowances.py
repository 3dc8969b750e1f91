"""Checks of what a discount may take in all: its budget, allowances, balance, maximum in all and cycles."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.discount_changes import changes_of
from tests.faults.finding import Finding
from tests.faults.history import Decision, History, Json
from tests.faults.returned_parts import is_giving_back, returned_parts, reversed_invoice


class Entry(NamedTuple):
    """A ledger entry as an invoice tells it."""

    invoice: Decision
    amount: int
    # What the invoice's credits and refunds, and what its credits alone have given back.
    returned: int
    credited: int
    is_given_back: bool

    @property
    def cycle(self) -> str:
        """The start of the billing cycle."""
        request = self.invoice.request
        start: str = (request.get("cycle") or request["period"])["start"]
        return start


def budgets_overspent(history: History) -> Iterator[Finding]:
    """Find vouchers whose discounts took more than the budget, without the invoices that were given back.

    A refund or a credit gives no budget back.
    """
    spent: defaultdict[tuple[str, str], int] = defaultdict(int)
    for invoice in history.decided("invoice"):
        for each in invoice.answer["discounts"]:
            spent[each["voucher"], invoice.answer["currency"]] += each["amount"]
    known = returned_parts(history)
    for reversal in filter(is_giving_back, known.reversals):
        given_back = {each["discount"] for each in known.own_discounts(reversal)}
        reversed_ = history.decisions.get(reversed_invoice(reversal))
        for each in reversed_.answer["discounts"] if reversed_ else ():
            if each["discount"] in given_back:
                spent[each["voucher"], reversal.answer["currency"]] -= each["amount"]
    for voucher in history.decided("voucher"):
        budget = voucher.answer["budget"]
        taken = spent[voucher.answer["id"], budget["currency"]] if budget else 0
        if budget and taken > budget["amount"]:
            yield Finding("budget overspent", voucher.answer["id"], f"{taken} of {budget['amount']}")


def once_used_twice(history: History) -> Iterator[Finding]:
    """Find discounts of `once` vouchers that two invoices keep."""
    for voucher, discount, entries in _entries_by_discount(history):
        invoices = {each.invoice.key[2] for each in entries if not each.is_given_back}
        if voucher["recurrence"]["type"] == "once" and len(invoices) > 1:
            yield Finding("once used twice", discount, f"{sorted(invoices)}")


def allowances_exceeded(history: History) -> Iterator[Finding]:
    """Find discounts of a fixed amount that took more than that in a cycle, or in all if it is a balance.

    If a credit is taken back, what others have used of it comes on top.
    """
    taken_again = returned_parts(history).taken_again
    for voucher, discount, entries in _entries_by_discount(history):
        if voucher.get("priceDiscount") is None:
            continue
        taken: defaultdict[str, int] = defaultdict(int)
        for each in entries:
            if voucher["carryOver"]:
                taken["all cycles"] += each.amount - each.returned
            elif not each.is_given_back:
                taken[each.cycle] += each.amount - each.credited
        for cycle, amount in taken.items():
            if amount > voucher["priceDiscount"]["amount"] + taken_again[discount]:
                yield Finding(
                    "allowance exceeded", discount, f"{amount} in {cycle}, {taken_again[discount]} taken again"
                )


def maximums_in_all_exceeded(history: History) -> Iterator[Finding]:
    """Find discounts that took more than their maximum in all, without what was given back.

    If a credit is taken back, what others have used of it comes on top.
    """
    taken_again = returned_parts(history).taken_again
    for voucher, discount, entries in _entries_by_discount(history):
        maximum, taken = voucher["maximumDiscountInAll"], sum(each.amount - each.returned for each in entries)
        if maximum and taken > maximum["amount"] + taken_again[discount]:
            yield Finding("maximum in all exceeded", discount, f"{taken}, {taken_again[discount]} taken again")


def cycles_exceeded(history: History) -> Iterator[Finding]:
    """Find discounts that cover more cycles, or a longer window, than their duration with all extensions."""
    changes = changes_of(history).changes
    for voucher, discount, entries in _entries_by_discount(history):
        starts = sorted({each.cycle for each in entries if not each.is_given_back})
        extended = [each["to"] for each in changes.get(discount, ()) if each["kind"] == "extended"]
        duration = {**voucher["recurrence"], **(extended[-1] if extended else {})}
        cycles, months = duration.get("durationInCycles"), duration.get("durationInMonths")
        if cycles is not None and len(starts) > cycles:
            yield Finding("cycles exceeded", discount, f"{starts}, {cycles} cycles")
        if months is not None and starts and starts[-1] >= _months_later(starts[0], months):
            yield Finding("cycles exceeded", discount, f"{starts}, {months} months")


def _months_later(day: str, months: int) -> str:
    """Return the same day so many months later. The days of a run are in every month."""
    index = int(day[:4]) * 12 + int(day[5:7]) - 1 + months
    return f"{index // 12}-{index % 12 + 1:02}-{day[8:]}"


def _entries_by_discount(history: History) -> Iterator[tuple[Json, str, list[Entry]]]:
    """Yield each discount with its voucher as created, and its ledger entries."""
    vouchers = {each.answer["id"]: each.answer for each in history.decided("voucher")}
    known = returned_parts(history)
    entries: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for invoice in history.decided("invoice"):
        for each in invoice.answer["discounts"]:
            key = (*invoice.key[1:], each["discount"])
            entries[each["voucher"], each["discount"]].append(
                Entry(
                    invoice=invoice,
                    amount=each["amount"],
                    returned=known.entries.get(key, 0),
                    credited=known.credited_entries.get(key, 0),
                    is_given_back=key in known.entries_given_back,
                )
            )
    for (voucher, discount), found in entries.items():
        if voucher in vouchers:
            yield vouchers[voucher], discount, found
