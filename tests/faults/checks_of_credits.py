"""Checks of credit lines: each credited once, as asked, and refused for a cause only."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.faults.finding import Finding
from tests.faults.history import Asking, History
from tests.faults.returned_parts import LineKey, ReturnedParts, credit_lines_of, credits_of, returned_parts


def credits_not_as_asked(history: History) -> Iterator[Finding]:
    """Find invoices whose answer lacks a credit, has one twice, or has one that nobody asked for."""
    for invoice in history.decided("invoice"):
        project = invoice.key[1]
        asked = Counter(credit_lines_of(invoice.request))
        told = Counter(
            (each["line"], (project, each["creditOf"]["invoice"], each["creditOf"]["line"]), each["amount"])
            for each in credits_of(invoice)
        )
        if lost := asked - told:
            yield Finding("credit lost", invoice.key, f"{list(lost)}")
        if doubled := told - asked:
            yield Finding("credit doubled", invoice.key, f"{list(doubled)}")


def credits_that_do_not_add_up(history: History) -> Iterator[Finding]:
    """Find invoices whose credits differ from their lines, their discounts, or the total."""
    for invoice in history.decided("invoice"):
        discounts = {each["id"]: each["discount"] for each in invoice.answer["lines"]}
        taken = sum(each["amount"] for each in invoice.answer["discounts"])
        credits_ = credits_of(invoice)
        total = taken - sum(each["discountShare"] for each in credits_)
        if total != invoice.answer["discountTotal"] or any(
            each["discountShare"] != -discounts.get(each["line"], 0)
            or each["discountShare"] != sum(share["amount"] for share in each["discounts"])
            for each in credits_
        ):
            yield Finding("credits do not add up", invoice.key, f"{invoice.answer}")


def credits_not_taken_back(history: History) -> Iterator[Finding]:
    """Find reversals that do not take back the credits of their invoice.

    If the credited invoice may have been given back before, the credit may stay.
    """
    known = returned_parts(history)
    for key, reversal in known.giving_back.items():
        invoice = history.decisions.get(key)
        taken = {each["reverses"]: -each["amount"] for each in reversal.answer["discounts"]}
        for credit in credits_of(invoice) if invoice else ():
            before = known.giving_back.get(("invoice", key[1], credit["creditOf"]["invoice"]))
            may_stay = before is not None and before.sent_at < reversal.told_at
            for each in credit["discounts"]:
                if taken.get(each["usage"], each["amount"] if may_stay else None) != each["amount"]:
                    yield Finding("credit not taken back", reversal.key, f"{each}, {reversal.answer}")


def credits_refused_without_a_cause(history: History) -> Iterator[Finding]:
    """Find refused invoices whose credit line nothing in the history stands against."""
    known = returned_parts(history)
    for asking in history.askings:
        if asking.key[0] != "invoice" or asking.reason in {None, "idempotency_conflict"}:
            continue
        credited = {line: of for line, of, _ in credit_lines_of(asking.request)}.get(asking.answer["refusedLine"])
        cause = CAUSES.get(asking.reason or "")
        if credited is None or cause is None or not cause(known, asking, credited):
            yield Finding("credit refused", asking.key, f"{asking.reason}: {asking.request}")


def _is_unknown(known: ReturnedParts, asking: Asking, credited: LineKey) -> bool:
    invoice = known.history.decisions.get(("invoice", *credited[:2]))
    return invoice is None or invoice.told_at >= asking.sent_at


def _is_in_another_currency(known: ReturnedParts, asking: Asking, credited: LineKey) -> bool:
    invoice = known.history.decisions.get(("invoice", *credited[:2]))
    return invoice is None or bool(invoice.answer["currency"] != asking.request["currency"])


def _is_given_back(known: ReturnedParts, asking: Asking, credited: LineKey) -> bool:
    reversal = known.giving_back.get(("invoice", *credited[:2]))
    return reversal is not None and reversal.sent_at < (asking.answered_at or asking.sent_at)


def _has_no_such_line(known: ReturnedParts, _asking: Asking, credited: LineKey) -> bool:
    invoice = known.history.decisions.get(("invoice", *credited[:2]))
    return invoice is None or all(each["id"] != credited[2] for each in invoice.answer["lines"])


def _exceeds_line(known: ReturnedParts, asking: Asking, credited: LineKey) -> bool:
    invoice = known.history.decisions.get(("invoice", *credited[:2]))
    own = sum(amount for _, of, amount in credit_lines_of(asking.request) if of == credited)
    until = asking.answered_at or asking.sent_at
    before = known.returned_between(credited, asking.sent_at, until, but=asking.key)
    billed = (
        next((each["amount"] for each in invoice.answer["lines"] if each["id"] == credited[2]), 0) if invoice else 0
    )
    return own + before > billed


CAUSES: dict[str, Callable[[ReturnedParts, Asking, LineKey], bool]] = {
    "invoice_not_found": _is_unknown,
    "currency_mismatch": _is_in_another_currency,
    "already_reversed": _is_given_back,
    "line_not_found": _has_no_such_line,
    "amount_exceeds_line": _exceeds_line,
}
