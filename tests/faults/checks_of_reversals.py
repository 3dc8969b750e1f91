"""Checks of reversals: at most one gives an invoice back, each is refused for a cause, and each is shown."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from math import inf

from tests.faults.finding import Finding
from tests.faults.history import Asking, Decision, History, Key
from tests.faults.returned_parts import (
    CREDITED,
    GIVING_BACK,
    REFUNDED,
    ReturnedParts,
    accepted_reversals,
    credit_lines_of,
    is_giving_back,
    returned_parts,
    reversed_invoice,
)


def invoices_given_back_twice(history: History) -> Iterator[Finding]:
    """Find invoices with two reversals that each gave the discounts back."""
    ids: defaultdict[Key, set[str]] = defaultdict(set)
    for each in accepted_reversals(history):
        if is_giving_back(each):
            ids[reversed_invoice(each)].add(each.answer["id"])
    for invoice, reversals in ids.items():
        if len(reversals) > 1:
            yield Finding("given back twice", invoice, f"{sorted(reversals)}")


def reversals_refused_without_a_cause(history: History) -> Iterator[Finding]:
    """Find refused reversals that no other reversal and no credit stands against."""
    known = returned_parts(history)
    earlier: defaultdict[Key, list[Decision]] = defaultdict(list)
    for each in known.reversals:
        earlier[reversed_invoice(each)].append(each)
    for refused in history.decided("reversal"):
        if refused.reason is None:
            continue
        before = [each for each in earlier[reversed_invoice(refused)] if each.sent_at < refused.told_at]
        cause = CAUSES.get(refused.reason)
        if cause is None or not cause(known, refused, before):
            yield Finding("reversal refused", refused.key, f"{refused.answer}")


def _is_given_back(_known: ReturnedParts, _refused: Decision, before: list[Decision]) -> bool:
    return any(is_giving_back(each) for each in before)


def _is_refunded(known: ReturnedParts, refused: Decision, before: list[Decision]) -> bool:
    """Return whether the invoice may have been paid, or whether nothing may have been left of any line."""
    kind = refused.request["kind"]
    is_paid = kind != "charged_back" and any(each.request["kind"] == REFUNDED for each in before)
    lines = _lines(known, refused).items()
    is_all_returned = any(amount > 0 for _, amount in lines) and all(
        amount <= _returned_before(known, refused, line) for line, amount in lines if amount > 0
    )
    return kind in GIVING_BACK and (is_paid or is_all_returned)


def _exceeds_a_line(known: ReturnedParts, refused: Decision, _before: list[Decision]) -> bool:
    lines = _lines(known, refused)
    return any(
        each["amount"] + _returned_before(known, refused, each["id"]) > lines.get(each["id"], 0)
        for each in refused.request.get("lines", ())
    )


def _has_no_such_line(known: ReturnedParts, refused: Decision, _before: list[Decision]) -> bool:
    return any(each["id"] not in _lines(known, refused) for each in refused.request.get("lines", ()))


def _returned_before(known: ReturnedParts, refused: Decision, line: str) -> int:
    return known.returned_between((*reversed_invoice(refused)[1:], line), refused.sent_at, refused.told_at)


def _lines(known: ReturnedParts, reversal: Decision) -> dict[str, int]:
    invoice = known.history.decisions.get(reversed_invoice(reversal))
    return {each["id"]: each["amount"] for each in invoice.answer["lines"]} if invoice else {}


CAUSES: dict[str, Callable[[ReturnedParts, Decision, list[Decision]], bool]] = {
    "already_reversed": _is_given_back,
    "already_refunded": _is_refunded,
    "amount_exceeds_line": _exceeds_a_line,
    "line_not_found": _has_no_such_line,
}


def reversals_shown_wrongly(history: History) -> Iterator[Finding]:
    """Find answers to invoices that lack a reversal or a credit told before, or name one that cannot be the latest.

    Callers may not have been told of the reversal that an answer names if it was never answered.
    """
    kinds, told_at = _reversals_of_invoices(history)
    credits_of = _credits_of_invoices(history)
    for key, askings in history.by_key.items():
        for asking in askings if key[0] == "invoice" else ():
            if not asking.is_final:
                continue
            shown = (asking.answer.get("reversed") or {}).get("kind")
            credited = [each for each in credits_of[key] if each.may_be_shown(asking)]
            is_credited = any(each.must_be_shown(asking) for each in credited)
            is_missing = told_at[key] < asking.sent_at or is_credited
            is_possible = bool(credited) if shown == CREDITED else shown in kinds[key]
            if is_missing if shown is None else not is_possible:
                yield Finding("reversal shown wrongly", key, f"{shown}, sent at {asking.sent_at:.3f}")


def _reversals_of_invoices(history: History) -> tuple[defaultdict[Key, set[str]], defaultdict[Key, float]]:
    """Return the kinds of the reversals that were asked for, and when the first was told, by invoice."""
    kinds: defaultdict[Key, set[str]] = defaultdict(set)
    told_at: defaultdict[Key, float] = defaultdict(lambda: inf)
    for each in (each for key, askings in history.by_key.items() if key[0] == "reversal" for each in askings):
        key = ("invoice", each.request["project"], each.request["invoice"])
        if not each.is_answered or each.reason is None:
            kinds[key].add(each.request["kind"])
        if each.is_answered and each.reason is None and each.answered_at is not None:
            told_at[key] = min(each.answered_at, told_at[key])
    return kinds, told_at


class _Crediting:
    """An invoice that credits another, and the instants between which its credit may be in force."""

    def __init__(self, askings: list[Asking], *, told: Decision | None, reversals: list[Asking]) -> None:
        self.sent_at = askings[0].sent_at
        self.told_at = told.told_at if told else inf
        self.may_end_at = min((each.sent_at for each in reversals), default=inf)
        self.ended_at = min(
            (each.answered_at or inf for each in reversals if each.is_final and each.reason is None), default=inf
        )

    def may_be_shown(self, asking: Asking) -> bool:
        """Return whether an answer may name the credit."""
        return self.sent_at < (asking.answered_at or inf) and self.ended_at > asking.sent_at

    def must_be_shown(self, asking: Asking) -> bool:
        """Return whether an answer must name the credit, or a later reversal."""
        return self.told_at < asking.sent_at and self.may_end_at > (asking.answered_at or inf)


def _credits_of_invoices(history: History) -> defaultdict[Key, list[_Crediting]]:
    reversals: defaultdict[Key, list[Asking]] = defaultdict(list)
    for key, askings in history.by_key.items():
        if key[0] == "reversal" and askings[0].request["kind"] in GIVING_BACK:
            reversals["invoice", key[1], askings[0].request["invoice"]] += askings
    found: defaultdict[Key, list[_Crediting]] = defaultdict(list)
    for key, askings in history.by_key.items():
        credited = {of[:2] for _, of, _ in credit_lines_of(askings[0].request)} if key[0] == "invoice" else ()
        for project, invoice in credited:
            crediting = _Crediting(askings, told=history.decisions.get(key), reversals=reversals[key])
            found["invoice", project, invoice].append(crediting)
    return found
