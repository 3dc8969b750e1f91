"""Checks of invoices: discounted once, with every discount they are due, and given back at most once."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.finding import Finding
from tests.faults.history import Asking, Decision, History, Json, Key

NOTHING_LEFT = "nothing_left"
GIVING_BACK = {"voided", "payment_failed", "charged_back"}


def invoices_without_their_discount(history: History) -> Iterator[Finding]:
    """Find invoices that lack a discount that was granted for ever before the invoice was sent."""
    due: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    unlimited = {each.answer["id"] for each in history.decided("voucher") if _is_unlimited(each.answer)}
    for voucher in unlimited:
        for each in history.accepted(voucher):
            due[each.key[1], each.answer["subscription"]].append(each)
    for invoice in history.decided("invoice"):
        applied = {each["discount"] for each in invoice.answer["discounts"]}
        # A tenth of four cents is rounded to nothing.
        applied |= {each["discount"] for each in invoice.answer["skipped"] if each["reason"] == NOTHING_LEFT}
        for each in due[invoice.key[1], invoice.answer["subscription"]]:
            if each.told_at < invoice.sent_at and each.answer["discount"] not in applied:
                yield Finding("invoice without its discount", invoice.key, f"{each.answer['discount']}")


def _is_unlimited(voucher: Json) -> bool:
    return (
        voucher["priceDiscountPercentage"] is not None
        and voucher["recurrence"]["type"] == "forever"
        and voucher["budget"] is None
    )


def budgets_overspent(history: History) -> Iterator[Finding]:
    """Find vouchers whose discounts took more than the budget, without what was given back."""
    spent: defaultdict[tuple[str, str], int] = defaultdict(int)
    for invoice in history.decided("invoice"):
        for each in invoice.answer["discounts"]:
            spent[each["voucher"], invoice.answer["currency"]] += each["amount"]
    for reversal in _accepted_reversals(history):
        for each in reversal.answer["discounts"]:
            spent[each["voucher"], reversal.answer["currency"]] -= each["amount"]
    for voucher in history.decided("voucher"):
        budget = voucher.answer["budget"]
        taken = spent[voucher.answer["id"], budget["currency"]] if budget else 0
        if budget and taken > budget["amount"]:
            yield Finding("budget overspent", voucher.answer["id"], f"{taken} of {budget['amount']}")


def once_used_twice(history: History) -> Iterator[Finding]:
    """Find discounts of `once` vouchers that two invoices keep."""
    once = {each.answer["id"] for each in history.decided("voucher") if each.answer["recurrence"]["type"] == "once"}
    kept: defaultdict[str, set[str]] = defaultdict(set)
    given_back = {
        each.request["invoice"] for each in _accepted_reversals(history) if each.request["kind"] in GIVING_BACK
    }
    for invoice in history.decided("invoice"):
        for each in invoice.answer["discounts"]:
            if each["voucher"] in once and each["amount"] and invoice.key[2] not in given_back:
                kept[each["discount"]].add(invoice.key[2])
    for discount, invoices in kept.items():
        if len(invoices) > 1:
            yield Finding("once used twice", discount, f"{sorted(invoices)}")


def invoices_given_back_twice(history: History) -> Iterator[Finding]:
    """Find invoices with two reversals that each gave the discounts back."""
    ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in _accepted_reversals(history):
        if each.request["kind"] in GIVING_BACK:
            ids[each.key[1], each.request["invoice"]].add(each.answer["id"])
    for invoice, reversals in ids.items():
        if len(reversals) > 1:
            yield Finding("given back twice", invoice, f"{sorted(reversals)}")


def given_back_too_much(history: History) -> Iterator[Finding]:
    """Find invoices whose reversals gave back more than was taken off."""
    given: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for each in _accepted_reversals(history):
        given[each.key[1], each.request["invoice"]][each.answer["id"]] = each.answer["discountTotal"]
    for (project, invoice), amounts in given.items():
        applied = history.decisions.get(("invoice", project, invoice))
        if applied is None or sum(amounts.values()) > applied.answer["discountTotal"]:
            yield Finding("given back too much", invoice, f"{amounts}, of {applied and applied.answer}")


def reversals_refused_without_a_cause(history: History) -> Iterator[Finding]:
    """Find refused reversals of invoices that no other reversal may have reversed before."""
    for refused in history.decided("reversal"):
        others = [
            each
            for each in history.decided("reversal")
            if each.request["invoice"] == refused.request["invoice"]
            and each.key != refused.key
            and each.reason is None
            and each.sent_at < refused.told_at
        ]
        if refused.reason is not None and not others:
            yield Finding("reversal refused", refused.key, f"{refused.answer}")


def reversals_shown_wrongly(history: History) -> Iterator[Finding]:
    """Find answers to invoices that lack a reversal told before, or name one that nobody was told.

    Callers may not have been told of the reversal that an answer names if it was never answered.
    """
    kinds: defaultdict[Key, set[str]] = defaultdict(set)
    told_at: dict[Key, float] = {}
    for each in _reversal_askings(history):
        key = ("invoice", each.request["project"], each.request["invoice"])
        if not each.is_answered or each.reason is None:
            kinds[key].add(each.request["kind"])
        if each.is_answered and each.reason is None and each.answered_at is not None:
            told_at[key] = min(each.answered_at, told_at.get(key, each.answered_at))
    for key, asking in _final_askings(history, kind="invoice"):
        shown = asking.answer.get("reversed")
        if (shown is None and told_at.get(key, asking.sent_at) < asking.sent_at) or (
            shown is not None and shown["kind"] not in kinds[key]
        ):
            yield Finding("reversal shown wrongly", key, f"{shown}, sent at {asking.sent_at:.3f}")


def _reversal_askings(history: History) -> list[Asking]:
    return [each for key, askings in history.by_key.items() if key[0] == "reversal" for each in askings]


def _final_askings(history: History, *, kind: str) -> Iterator[tuple[Key, Asking]]:
    for key, askings in history.by_key.items():
        yield from ((key, each) for each in askings if key[0] == kind and each.is_final)


def _accepted_reversals(history: History) -> list[Decision]:
    return [each for each in history.decided("reversal") if each.reason is None]
