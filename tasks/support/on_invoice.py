"""Why a discount took something or nothing off an invoice, by the first answer to it and the discount's history."""

from collections.abc import Iterable
from datetime import datetime

from domain.currency import money_text
from domain.explanation import Absence, absence_of
from domain.invoice import Skip
from domain.terms import RecurrenceType
from domain.value_class import value
from models.discounts.row_types import ListedDiscountRow
from models.invoices.row_types import InvoiceRow
from tasks.support import sentences
from tasks.support.answers import explained_entries, figures_of
from tasks.support.evidence import Known
from tasks.support.figures import fixed_text, instant_text, taken_figures
from tasks.support.sentences import say
from tasks.wire.answers import Answer
from tasks.wire.fields import type_id, uuid_of


@value
class Explained:
    """What a discount took off an invoice, or why it took nothing, and a sentence."""

    outcome: str
    text: str
    reason: str | None = None
    applied: Answer | None = None


def explained_on_invoice(row: ListedDiscountRow, *, invoice: InvoiceRow, known: Known) -> Answer:
    """Return what a discount took off an invoice, or the reason why it took nothing, with the sentences.

    The first answer to the invoice decides. A discount that it does not name is explained by its history.
    """
    answer, currency = invoice.answer, invoice.answer["currency"]
    if (applied := _named(answer["discounts"], row=row)) is not None:
        # Answers from before the first ramp have no such field.
        phase, left = applied.get("phase"), applied["debitBalance"]
        figures = taken_figures(row, currency=currency, amount_minor=applied["amount"], phase=phase, left_minor=left)
        text = say(sentences.TAKEN, figures)
        explained = Explained(outcome="applied", text=text, applied=applied)
    elif (skipped := _named(answer["skipped"], row=row)) is not None:
        figures = {**figures_of(row, known=known), **fixed_text(row, currency=currency), "currency": currency}
        text = say(sentences.SKIPPED[Skip(skipped["reason"])], figures)
        explained = Explained(outcome="skipped", reason=skipped["reason"], text=text)
    else:
        explained = _absent(row, invoice=invoice, known=known)
    reversals = [each for each in known.of_invoice if each.kind is not None]
    returned_minor = -reversals[0].reversed_minor if reversals else 0
    texts = [explained.text]
    if returned_minor:
        texts.append(say(sentences.GIVEN_BACK, {"returned": money_text(returned_minor, currency=currency)}))
    return {
        "outcome": explained.outcome,
        "reason": explained.reason,
        "amount": explained.applied["amount"] if explained.applied else 0,
        "lines": explained.applied["lines"] if explained.applied else {},
        "reversed": returned_minor,
        "reversals": explained_entries(reversals),
        "text": " ".join(texts),
    }


def _named(named: Iterable[Answer], *, row: ListedDiscountRow) -> Answer | None:
    wanted = type_id("dis", row.id)
    return next((each for each in named if each["discount"] == wanted), None)


def _absent(row: ListedDiscountRow, *, invoice: InvoiceRow, known: Known) -> Explained:
    at, here, moves = invoice.applied_at, invoice.subscription, known.history.moves
    comes_second = _comes_second(row, invoice=invoice) and not _has_had_its_invoice(row, by=at, known=known)
    reason = absence_of(known.history, subscription=here, at=at, comes_second=comes_second)
    figures = {**figures_of(row, known=known)}
    if reason is Absence.MOVED_AWAY:
        figures["moved_at"] = instant_text(max(each.at for each in moves if each.source == here and each.at <= at))
    if reason is Absence.MOVED_LATER:
        figures["moved_at"] = instant_text(min(each.at for each in moves if each.target == here))
    if reason is Absence.COMPLETED and _changed_since(at, known=known):
        # The present figures are not those of that time.
        texts = [say(sentences.ABSENT[reason], {}), say(sentences.CHANGED_SINCE, {})]
    else:
        texts = [say(sentences.ABSENT[reason], figures)]
    return Explained(outcome="not_listed", reason=reason.value, text=" ".join(texts))


def _comes_second(row: ListedDiscountRow, *, invoice: InvoiceRow) -> bool:
    """Return whether the answer names a discount of the same voucher that was redeemed earlier and had begun."""
    voucher = type_id("vou", row.voucher_id)
    named = [*invoice.answer["discounts"], *invoice.answer["skipped"]]
    return any(
        each["voucher"] == voucher
        and each.get("reason") != Skip.BEFORE_START
        # Later ids are higher.
        and uuid_of(each["discount"]) < row.id
        for each in named
    )


def _has_had_its_invoice(row: ListedDiscountRow, *, by: datetime, known: Known) -> bool:
    """Return whether a discount for a single invoice had reduced that, so that it was over for every other invoice.

    After a reversal it may have begun anew, so it is not known to be over.
    """
    before = [each for each in known.newest if each.created_at <= by]
    are_all_known = bool(before) and before[0].entries == len(known.newest)
    return row.recurrence == RecurrenceType.ONCE and are_all_known and all(each.kind is None for each in before)


def _changed_since(at: datetime, *, known: Known) -> bool:
    last_reversed_at = known.newest[0].last_reversed_at if known.newest else None
    return any(each is not None and each > at for each in (known.last_extended_at, last_reversed_at))
