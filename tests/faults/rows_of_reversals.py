"""The stored reversals and credits at the end of a run, compared with what callers were told."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.finding import Finding
from tests.faults.history import History
from tests.faults.returned_parts import CREDIT_REVERSED, CREDITED, credits_of, returned_parts
from tests.faults.stored_rows import StoredRows

# The crediting invoice, the credited invoice and its line, the amount and the share.
CreditRow = tuple[str, str, str, str, int, int]


def credits_that_contradict(history: History, stored: StoredRows) -> Iterator[Finding]:
    """Find credits, and credits that were taken back, whose rows are not those that the answers tell."""
    told = Counter(
        (*invoice.key[1:], *_place(each["creditOf"]), each["amount"], each["discountShare"])
        for invoice in history.decided("invoice")
        for each in credits_of(invoice)
    )
    yield from _differences(told, _rows(stored, kind=CREDITED), name="credit")
    taken, doubtful = Counter[CreditRow](), Counter[CreditRow]()
    for each in returned_parts(history).taken_credits:
        row = (*each.invoice[1:], *each.credited[1:], -each.amount, -each.share)
        (taken if each.is_certain else doubtful)[row] += 1
    yield from _differences(taken, _rows(stored, kind=CREDIT_REVERSED) - doubtful, name="credit taken back")


def _place(credit_of: dict[str, str]) -> tuple[str, str]:
    return credit_of["invoice"], credit_of["line"]


def _rows(stored: StoredRows, *, kind: str) -> Counter[CreditRow]:
    return Counter(
        (each.invoice[0], each.credited_by or "", each.invoice[1], each.line or "", each.amount, each.share)
        for each in stored.reversals.values()
        if each.kind == kind
    )


def _differences(told: Counter[CreditRow], found: Counter[CreditRow], *, name: str) -> Iterator[Finding]:
    for row in told - found:
        yield Finding(f"{name}, but no row", row, f"{told[row]} told, {found[row]} stored")
    for row in found - told:
        yield Finding(f"{name} stored, but not told", row, f"{found[row]} stored, {told[row]} told")


def reversals_that_contradict(history: History, stored: StoredRows) -> Iterator[Finding]:
    """Find reversals without their row, rows that differ from the answer, and rows that nobody was told of."""
    known = returned_parts(history)
    told = {each.answer["id"]: each for each in known.reversals}
    for id_, reversal in told.items():
        row = stored.reversals.get(id_)
        share = sum(each["amount"] for each in known.own_discounts(reversal))
        if row is None:
            yield Finding("effect lost", reversal.key, f"{reversal.answer}")
        elif (row.invoice[1], row.kind, row.share) != (reversal.request["invoice"], reversal.request["kind"], share):
            yield Finding("row differs from the answer", reversal.key, f"{row}, told {reversal.answer}")
    untold = {
        askings[0].request["invoice"]
        for key, askings in history.by_key.items()
        if key[0] == "reversal" and key not in history.decisions
    }
    for id_, row in stored.reversals.items():
        if row.credited_by is None and id_ not in told and row.invoice[1] not in untold:
            yield Finding("effect without a request", id_, f"{row}")
