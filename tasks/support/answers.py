"""The answers about requests, holds and discounts, each with a sentence for a person."""

from collections.abc import Sequence
from datetime import datetime

from domain.allowance import is_used_up
from domain.credit import CreditKind
from domain.eligibility import Refusal
from domain.explanation import Standing, place_on, standing_of
from domain.hold import HoldStatus
from domain.reversal import ReversalKind
from domain.terms import RecurrenceType
from models.discounts.discount import DiscountStatus
from models.discounts.row_types import ListedDiscountRow
from models.discounts.values import progress_of, recurrence_of
from models.invoices.taken_by_discount import TakenRow
from models.redemptions.row_types import HoldRow, RedemptionRow, is_accepted
from models.vouchers.total import total_minor_of
from tasks.discounts.answers import discount_answer
from tasks.redemptions.answers import redemption_answer
from tasks.redemptions.hold_answers import hold_answer, status_at
from tasks.support import sentences
from tasks.support.evidence import Evidence, Known
from tasks.support.figures import discount_figures, entry_figures, instant_text, request_figures, total_left
from tasks.support.pages import Asked
from tasks.support.sentences import Figures, say
from tasks.wire.answers import Answer, day, instant
from tasks.wire.fields import type_id

APPLIED = "applied"


def explained_request(row: RedemptionRow, *, evidence: Evidence) -> Answer:
    """Return a decided redemption with its sentence."""
    text = refusal_text(row, evidence=evidence)
    if row.reason is None:
        known = [each for each in (*evidence.discounts.rows, *evidence.elsewhere.rows) if each.id == row.id]
        wordings = sentences.IMPORTED if any(each.is_imported for each in known) else sentences.ACCEPTED
        text = say(wordings, {"number": f"{row.redemption_number:,}"})
    return {**redemption_answer(row), "voucherName": _voucher_name(row, evidence=evidence), "text": text}


def explained_hold(row: HoldRow, *, evidence: Evidence) -> Answer:
    """Return a request for a hold with its sentence. Its status is the present one."""
    if is_accepted(row):
        status = status_at(evidence.now, row=row)
        ends_at = instant_text(row.expires_at)
        text = say(sentences.HELD[status], {"hold_expires_at": ends_at})
    else:
        status, text = HoldStatus.REFUSED, refusal_text(row, evidence=evidence)
    return {
        **hold_answer(row, status=status),
        "voucherName": _voucher_name(row, evidence=evidence),
        "text": text,
    }


def refusal_text(row: Asked, *, evidence: Evidence) -> str:
    """Return the sentences of a refused request, or an empty text if the request was accepted."""
    if row.reason is None:
        return ""
    voucher = None if row.voucher_id is None else evidence.vouchers.get(row.voucher_id)
    code = None if row.code_id is None else evidence.codes.get(row.code_id)
    figures = request_figures(at=row.effective_at, voucher=voucher, code=code)
    wordings = [sentences.REFUSED[Refusal(row.reason)]]
    wordings += [sentences.MOVABLE] if row.other_discount_id is not None else []
    return " ".join(say(each, figures) for each in wordings)


def explained_discount(row: ListedDiscountRow, *, evidence: Evidence, subscription: str | None) -> Answer:
    """Return a discount with what it gave, what is left of it, and its sentences, as seen from a subscription."""
    known = evidence.known[row.id]
    standing = present_standing(row, known=known, now=evidence.now)
    place = None if subscription is None else place_on(known.history, subscription=subscription)
    figures, total_minor = {**figures_of(row, known=known)}, total_minor_of(row)
    wordings = [sentences.TERMS[RecurrenceType(row.recurrence)]]
    wordings += [sentences.PRODUCTS] if row.products is not None else []
    wordings += [sentences.EXCLUDED_PRODUCTS] if row.excluded_products is not None else []
    wordings += [sentences.MINIMUM] if row.minimum_subtotal_minor is not None else []
    wordings += [sentences.EXCLUSIVE] if row.exclusive else []
    wordings += [sentences.MAXIMUM] if row.maximum_discount_minor is not None else []
    wordings += [sentences.MAXIMUM_IN_ALL] if row.maximum_discount_in_all_minor is not None else []
    wordings += [sentences.ORIGIN] if row.imported is not None else []
    wordings += [sentences.STANDING[standing]]
    move = None if subscription is None else known.history.last_move_of(subscription)
    if place is not None and move is not None:
        wordings.append(sentences.PLACE[place])
        figures |= {"moved_at": instant_text(move.at)}
    return {
        **discount_answer(row),
        "voucherName": _voucher_name(row, evidence=evidence),
        "standing": standing.value,
        "place": None if place is None else place.value,
        "given": _given_here(row, known=known),
        "cyclesLeft": None if row.duration_in_cycles is None else row.duration_in_cycles - row.cycles,
        "balanceLeft": None if total_minor is None else total_left(total_minor, given_minor=known.given_minor),
        "entries": explained_entries(known.newest),
        "moreEntries": bool(known.newest and known.newest[0].entries > len(known.newest)),
        "text": " ".join(say(each, figures) for each in wordings),
    }


def _given_here(row: ListedDiscountRow, *, known: Known) -> Answer:
    elsewhere = {} if row.imported is None else row.imported["taken_minor"]
    given = {currency: amount - elsewhere.get(currency, 0) for currency, amount in sorted(known.given_minor.items())}
    return {currency: amount for currency, amount in given.items() if amount}


def figures_of(row: ListedDiscountRow, *, known: Known) -> Figures:
    """Return the figures of a discount."""
    first_taken_at = known.history.first_taken_at
    return discount_figures(row, given_minor=known.given_minor, first_taken_at=first_taken_at)


def present_standing(row: ListedDiscountRow, *, known: Known, now: datetime) -> Standing:
    """Return where a discount stands, whether or not a sweep has run."""
    total_minor = total_minor_of(row)
    return standing_of(
        recurrence_of(row),
        progress=progress_of(row),
        is_ended=row.status == DiscountStatus.ENDED,
        is_marked_running=row.status == DiscountStatus.RUNNING,
        is_used_up=total_minor is not None and is_used_up(total_minor, taken_minor=known.given_minor),
        today=now.date(),
    )


def explained_entries(rows: Sequence[TakenRow]) -> list[Answer]:
    """Return ledger entries and reversals with their sentences, in the order of time."""
    return [
        {
            "id": type_id("use", each.id),
            "kind": each.kind or APPLIED,
            "invoice": each.invoice,
            "creditedBy": each.credited_by,
            "amount": each.amount_minor,
            "currency": each.currency,
            "cycle": {"start": day(each.cycle_start), "end": day(each.cycle_end)} if each.cycle_start else None,
            "at": instant(each.created_at),
            "text": _entry_text(each, figures=entry_figures(each)),
        }
        for each in rows
    ]


def _entry_text(row: TakenRow, *, figures: Figures) -> str:
    if row.kind is None:
        return say(sentences.ENTRY, figures)
    kinds = {each.value: each for each in (*ReversalKind, *CreditKind)}
    return say(sentences.REVERSED[kinds[row.kind]], figures)


def _voucher_name(row: Asked | ListedDiscountRow, *, evidence: Evidence) -> str | None:
    voucher = None if row.voucher_id is None else evidence.vouchers.get(row.voucher_id)
    return None if voucher is None else voucher.name
