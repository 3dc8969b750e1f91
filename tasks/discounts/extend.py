"""Extend a discount by months or cycles, as an operator's goodwill."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from domain.discount_change import ChangeRefusal
from domain.recurrence import extend as extend_progress
from domain.reversal import is_completed
from models.base import read_clock
from models.discounts.change import Signature, extend_discount
from models.discounts.discount import DiscountStatus
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_and_running
from models.discounts.of_subscription import is_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import DiscountState
from models.discounts.row_types import DiscountRow
from models.discounts.values import extended_recurrence_of, progress_of
from tasks.discounts.answers import change_refused, discount_answer
from tasks.discounts.messages import ExtendDiscount
from tasks.discounts.present_subscriptions import check_not_moved, lock_present_subscriptions
from tasks.discounts.room import Room, place_of
from tasks.discounts.used_up_totals import with_used_up_totals
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import DURATION_MAX
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction

EXTEND = "discounts.extend"


@contract_task(EXTEND, message=ExtendDiscount, first_answer=AnswerTable.WRITE_ANSWERS)
def extend(request: ExtendDiscount) -> Answer:
    """Extend a discount by months or cycles. A completed discount that then has something left runs again."""
    return run_in_transaction(lambda session: extend_duration(session, request, delivery=delivery_id()))


def extend_duration(session: Session, request: ExtendDiscount, *, delivery: str | None = None) -> Answer:
    """Extend a discount, and return the answer, which is the same for a repeated request.

    It locks the subscription, then the discount and all others that run there.
    Raises NotFound if the project has no such discount, and InvalidRequest if it does not last so many months or
    cycles.
    """
    locked = lock_present_subscriptions(session, discounts=[(request.project, request.discount)])
    return answer_once(
        session,
        request,
        task=EXTEND,
        delivery=delivery,
        conflict=lambda: change_refused(request, ChangeRefusal.IDEMPOTENCY_CONFLICT),
        work=lambda: _extend(session, request, locked=locked),
    )


def _extend(session: Session, request: ExtendDiscount, *, locked: Collection[SubscriptionKey]) -> Answer:
    rows = lock_discounts_and_running(session, keys=[(request.project, request.discount)], subscriptions=locked)
    (row,) = (each for each in rows if each.id == request.discount)
    check_not_moved([row], locked=locked)
    duration = _extended_duration(request, row)
    at = read_clock(session)
    refusal = _refusal(session, row)
    if refusal is not None:
        return change_refused(request, refusal)
    beside = [each for each in rows if each is not row]
    state = _extended_state(session, row, duration=duration, beside=beside, at=at)
    signed = Signature(actor=request.actor, note=request.note, at=at)
    extend_discount(session, row, to_duration=duration, state=state, signed=signed)
    (extended,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(extended)


def _extended_duration(request: ExtendDiscount, row: DiscountRow) -> int:
    """Return the duration afterwards, in the unit in which the discount counts. Raises InvalidRequest."""
    field, more = ("months", request.months) if request.cycles is None else ("cycles", request.cycles)
    duration = row.duration_in_months if request.cycles is None else row.duration_in_cycles
    if duration is None or more is None:
        raise InvalidRequest([{"field": field, "message": f"must not be given: the discount does not count {field}"}])
    if duration + more > DURATION_MAX:
        raise InvalidRequest([{"field": field, "message": f"must not add up to more than {DURATION_MAX} {field}"}])
    return duration + more


def _refusal(session: Session, row: DiscountRow) -> ChangeRefusal | None:
    if row.status == DiscountStatus.ENDED:
        return ChangeRefusal.DISCOUNT_ENDED
    # More time gives nothing to a balance that is used up.
    is_used_up = row.id in with_used_up_totals(session, discounts=[row])
    return ChangeRefusal.DISCOUNT_COMPLETED if is_used_up else None


def _extended_state(
    session: Session, row: DiscountRow, *, duration: int, beside: Sequence[DiscountRow], at: datetime
) -> DiscountState:
    """Return the state with the new duration. A completed discount runs again if it has room, as after a void."""
    today = at.date()
    recurrence = extended_recurrence_of(row, duration=duration)
    progress = extend_progress(recurrence, progress=progress_of(row))
    if is_completed(recurrence, progress=progress, is_used_up=False, today=today):
        return DiscountState(progress=progress, status=DiscountStatus.COMPLETED)
    place = place_of(row)
    has_room = (
        is_running(row, today=today)
        or Room.read(session, beside=beside, subscriptions=[place.subscription], at=at).refusal(place) is None
    )
    return DiscountState(progress=progress, status=DiscountStatus.RUNNING if has_room else DiscountStatus.COMPLETED)
