"""Checks of all that reversals and credits give back: never more than was taken, and in the end exactly that."""

from collections.abc import Iterator
from itertools import chain

from tests.faults.finding import Finding
from tests.faults.history import Decision, History, Json
from tests.faults.returned_parts import CREDIT_REVERSED, LineKey, Part, ReturnedParts, returned_parts


def lines_returned_too_much(history: History) -> Iterator[Finding]:
    """Find lines of which refunds, credits and other reversals gave back more than was billed."""
    for key, line, parts in _returned_lines(returned_parts(history)):
        returned = sum(each.amount for each in parts)
        if line is None or not 0 <= returned <= line["amount"]:
            yield Finding("line returned too much", key, f"{returned} of {line}: {parts}")


def shares_not_due(history: History) -> Iterator[Finding]:
    """Find lines whose returned shares of the discount are not those of the returned amount, rounded half up.

    A credit that was taken back leaves the shares of the others as they were, so they may be off by one for each.
    """
    for key, line, parts in _returned_lines(returned_parts(history)):
        if line is None or line["amount"] <= 0:
            continue
        amount, discount = line["amount"], line["discount"]
        returned, shares = sum(each.amount for each in parts), sum(each.share for each in parts)
        due = (2 * returned * discount + amount) // (2 * amount)
        tolerated = sum(each.kind == CREDIT_REVERSED for each in parts)
        is_whole_and_differs = returned == amount and shares != discount
        if abs(shares - due) > tolerated or not 0 <= shares <= discount or is_whole_and_differs:
            yield Finding("share not due", key, f"{shares} of {discount}, due {due}: {parts}")


def given_back_too_much(history: History) -> Iterator[Finding]:
    """Find discounts of an invoice of which more was given back than they had taken off."""
    known = returned_parts(history)
    for entry, returned in known.entries.items():
        invoice = history.decisions.get(("invoice", *entry[:2]))
        taken = (
            sum(each["amount"] for each in invoice.answer["discounts"] if each["discount"] == entry[2])
            if invoice
            else 0
        )
        if not 0 <= returned <= taken:
            yield Finding("given back too much", entry, f"{returned} of {taken}")


def given_back_too_little(history: History) -> Iterator[Finding]:
    """Find voided, unpaid and charged-back invoices of which something was not given back."""
    known = returned_parts(history)
    for key, reversal in known.giving_back.items():
        invoice = history.decisions.get(key)
        for line in invoice.answer["lines"] if invoice else ():
            line_key: LineKey = (*key[1:], line["id"])
            returned = sum(each.amount for each in known.lines.get(line_key, ()))
            if line["amount"] > 0 and line_key not in known.doubtful_lines and returned != line["amount"]:
                yield Finding("given back too little", reversal.key, f"{returned} of {line}")
        for each in invoice.answer["discounts"] if invoice else ():
            returned = known.entries.get((*key[1:], each["discount"]), 0)
            if returned != each["amount"]:
                yield Finding("given back too little", reversal.key, f"{returned} of {each}")


def usages_told_twice(history: History) -> Iterator[Finding]:
    """Find ledger entries of credits and reversals that two answers have."""
    known = returned_parts(history)
    told: dict[str, object] = {}
    credited = (
        (invoice.key, share["usage"])
        for invoice in history.decided("invoice")
        for credit in invoice.answer["credits"]
        for share in credit["discounts"]
    )
    reversed_ = ((each.key, share["usage"]) for each in known.reversals for share in each.answer["discounts"])
    for key, usage in chain(credited, reversed_):
        if usage in told:
            yield Finding("ledger entry told twice", usage, f"{told[usage]} and {key}")
        told[usage] = key


def _returned_lines(known: ReturnedParts) -> Iterator[tuple[LineKey, Json | None, list[Part]]]:
    """Yield each line of which something was given back, as it was billed. None: no such line was told."""
    for key, parts in known.lines.items():
        if key not in known.doubtful_lines:
            yield key, _line_of(known.history.decisions.get(("invoice", *key[:2])), key[2]), parts


def _line_of(invoice: Decision | None, line: str) -> Json | None:
    lines = invoice.answer["lines"] if invoice else ()
    return next((each for each in lines if each["id"] == line), None)
