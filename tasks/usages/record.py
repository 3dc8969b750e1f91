"""Record usage and stamps, and grant the discount of a completed stamp card."""

from datetime import datetime, timedelta
from types import SimpleNamespace

from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from domain.stamp_card import Collected, StampCard, collecting_refusal, stamps_on_card
from models.base import new_id, read_clock
from models.redemptions.redemption import find_redemptions
from models.usages.recorded_usage import add_record, collected_stamps, find_erased, find_record, stamp_card_of
from models.vouchers.counters import places_taken
from models.vouchers.look_up import lock_vouchers
from models.vouchers.row_types import DecisiveVoucherRow
from models.vouchers.values import candidate_of
from tasks.intake.task import contract_task
from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.usages.answers import stored_usage_answer, usage_answer, usage_conflict_answer
from tasks.usages.card_requests import card_request_id
from tasks.usages.messages import RecordUsage
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction

# The stamps of a customer are ordered by their instants. If the clock is set back, an entry still follows the last.
TICK = timedelta(microseconds=1)


@contract_task("usages.record", message=RecordUsage, first_answer=AnswerTable.USAGE_RECORDS)
def record(request: RecordUsage) -> Answer:
    """Record usage or stamps of a voucher for a customer, and grant the discount of a stamp card that is completed."""
    return run_in_transaction(lambda session: record_usage(session, request))


def record_usage(session: Session, request: RecordUsage) -> Answer:
    """Record an entry once for its voucher, customer and reference. A repeated request gets the first answer.

    The voucher is locked first, so that the stamps of a card are collected in order.
    Raises NotFound if there is no such voucher, and InvalidRequest if the card does not take the stamps.
    """
    key = (request.project, request.voucher)
    voucher = found(lock_vouchers(session, keys=[key]).get(key), "voucher")
    stored = find_record(
        session, project=request.project, voucher_id=request.voucher, customer=request.customer, ref=request.ref
    )
    fingerprint = request.fingerprint()
    if stored is not None:
        is_same = stored.fingerprint == fingerprint
        return stored_usage_answer(stored.answer) if is_same else usage_conflict_answer(request)
    if _was_erased(session, request, fingerprint=fingerprint):
        return usage_conflict_answer(request)
    card = stamp_card_of(voucher)
    _check_stamp(request, card=card)
    now = read_clock(session)
    if card is None:
        row = _row_of(request, created_at=now, reason=None)
        return _add(session, row, fingerprint=fingerprint, answer=usage_answer(row, current_stamp=0, redemption=None))
    return _record_on_card(session, request, voucher=voucher, card=card, now=now)


def _was_erased(session: Session, request: RecordUsage, *, fingerprint: bytes) -> bool:
    """Return whether this request recorded an entry of a customer who was erased since."""
    erased = find_erased(
        session,
        project=request.project,
        voucher_id=request.voucher,
        ref=request.ref,
        fingerprint=fingerprint,
    )
    return erased is not None


def _check_stamp(request: RecordUsage, *, card: StampCard | None) -> None:
    if not request.stamp or (card is not None and request.stamp <= card.stamps):
        return
    message = "must be 0: the voucher has no stamp card" if card is None else "must not be more than the card holds"
    raise InvalidRequest([{"field": "stamp", "message": message}])


def _record_on_card(
    session: Session, request: RecordUsage, *, voucher: DecisiveVoucherRow, card: StampCard, now: datetime
) -> Answer:
    entries = collected_stamps(session, project=request.project, voucher_id=request.voucher, customer=request.customer)
    at = max(now, entries[-1].at + TICK) if entries else now
    reason = _refusal(request, voucher=voucher, at=at)
    row = _row_of(request, created_at=at, reason=reason)
    redemption: Answer | None = None
    if row.stamp:
        entries.append(Collected(at=at, stamps=row.stamp))
        if stamps_on_card(card, entries=entries, at=at) >= card.stamps:
            redemption = _redeem_card(session, request, row=row)
            entries[-1] = Collected(at=at, stamps=row.stamp, completed_card=row.discount_id is not None)
    current_stamp = stamps_on_card(card, entries=entries, at=at)
    answer = usage_answer(row, current_stamp=current_stamp, redemption=redemption)
    return _add(session, row, fingerprint=request.fingerprint(), answer=answer)


def _refusal(request: RecordUsage, *, voucher: DecisiveVoucherRow, at: datetime) -> Refusal | None:
    if not request.stamp:
        return None
    return collecting_refusal(candidate_of(voucher), taken=places_taken(voucher), at=at)


def _redeem_card(session: Session, request: RecordUsage, *, row: SimpleNamespace) -> Answer:
    request_id = card_request_id(request.voucher, request.customer, request.ref)
    redeem = Redeem.model_validate(
        {
            "project": request.project,
            "request_id": request_id,
            "voucher": str(request.voucher),
            "customer": request.customer,
            # Without a subscription, the discount is for the purchase that the reference names.
            "subscription": request.subscription or request.ref,
            "products": request.products,
            "currency": request.currency,
            "subtotal": request.subtotal,
            "starts_on": request.starts_on and request.starts_on.isoformat(),
            "is_first_purchase": request.is_first_purchase,
        }
    )
    key = (request.project, request_id)
    answer = redeem_all(session, [redeem], completed_cards={key})[0]
    if answer["outcome"] == "accepted":
        row.discount_id = find_redemptions(session, keys=[key])[key].id
    return answer


def _row_of(request: RecordUsage, *, created_at: datetime, reason: Refusal | None) -> SimpleNamespace:
    # A refused entry counts nothing.
    usage, stamp, amount = (request.usage, request.stamp, request.amount) if reason is None else (0, 0, 0)
    return SimpleNamespace(
        project=request.project,
        voucher_id=request.voucher,
        customer=request.customer,
        ref=request.ref,
        id=new_id(),
        ref_type=request.ref_type,
        reason=reason and reason.value,
        usage=usage,
        stamp=stamp,
        amount_minor=amount,
        currency=request.currency,
        discount_id=None,
        created_at=created_at,
        created_by=request.created_by,
    )


def _add(session: Session, row: SimpleNamespace, *, fingerprint: bytes, answer: Answer) -> Answer:
    add_record(session, values={**vars(row), "fingerprint": fingerprint, "answer": answer})
    return answer
