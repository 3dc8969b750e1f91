"""Move a discount to another subscription of its customer, after a change of plan or a resubscription."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from domain.discount_change import ChangeRefusal
from domain.reversal import is_completed
from models.base import read_clock
from models.discounts.change import Signature, move_discount
from models.discounts.discount import DiscountStatus
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_and_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.row_types import DiscountRow
from models.discounts.values import progress_of, recurrence_of
from tasks.discounts.answers import change_refused, discount_answer
from tasks.discounts.messages import MoveDiscount
from tasks.discounts.present_subscriptions import check_not_moved, lock_present_subscriptions
from tasks.discounts.room import Room, place_on
from tasks.discounts.used_up_totals import with_used_up_totals
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction

MOVE = "discounts.move"


@contract_task(MOVE, message=MoveDiscount, first_answer=AnswerTable.WRITE_ANSWERS)
def move(request: MoveDiscount) -> Answer:
    """Move a discount to another subscription, with its window, its cycles and its balance."""
    return run_in_transaction(lambda session: move_to_subscription(session, request, delivery=delivery_id()))


def move_to_subscription(session: Session, request: MoveDiscount, *, delivery: str | None = None) -> Answer:
    """Move a discount, and return the answer, which is the same for a repeated request.

    It locks both subscriptions, then the discount and those that run on the target.
    Raises NotFound if the project has no such discount.
    """
    target = (request.project, request.subscription)
    locked = lock_present_subscriptions(session, discounts=[(request.project, request.discount)], beside=[target])
    return answer_once(
        session,
        request,
        task=MOVE,
        delivery=delivery,
        conflict=lambda: change_refused(request, ChangeRefusal.IDEMPOTENCY_CONFLICT),
        work=lambda: _move(session, request, target=target, locked=locked),
    )


def _move(
    session: Session, request: MoveDiscount, *, target: SubscriptionKey, locked: Collection[SubscriptionKey]
) -> Answer:
    rows = lock_discounts_and_running(session, keys=[(request.project, request.discount)], subscriptions=[target])
    (row,) = (each for each in rows if each.id == request.discount)
    check_not_moved([row], locked=locked)
    if row.subscription != request.subscription:
        at = read_clock(session)
        refusal = _refusal(session, row, target=target, beside=[each for each in rows if each is not row], at=at)
        if refusal is not None:
            return change_refused(request, refusal)
        signed = Signature(actor=request.actor, note=request.note, at=at)
        move_discount(session, row, to_subscription=request.subscription, signed=signed)
    (moved,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(moved)


def _refusal(
    session: Session, row: DiscountRow, *, target: SubscriptionKey, beside: Sequence[DiscountRow], at: datetime
) -> ChangeRefusal | None:
    if row.status == DiscountStatus.ENDED:
        return ChangeRefusal.DISCOUNT_ENDED
    is_used_up = row.id in with_used_up_totals(session, discounts=[row])
    if is_completed(recurrence_of(row), progress=progress_of(row), is_used_up=is_used_up, today=at.date()):
        return ChangeRefusal.DISCOUNT_COMPLETED
    place = place_on(target, row=row)
    return Room.read(session, beside=beside, subscriptions=[target], at=at).refusal(place)
