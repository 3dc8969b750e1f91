"""End a discount by its id, for an operator."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from models.base import read_clock
from models.discounts.discount import DiscountStatus
from models.discounts.ending import end_discounts
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_by_id
from models.discounts.present_subscription import SubscriptionKey
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import EndDiscount
from tasks.discounts.present_subscriptions import check_not_moved, lock_present_subscriptions
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction

END = "discounts.end"


@contract_task(END, message=EndDiscount, first_answer=AnswerTable.WRITE_ANSWERS)
def end(request: EndDiscount) -> Answer:
    """End a discount, so that it takes nothing off any further invoice."""
    return run_in_transaction(lambda session: end_discount(session, request, delivery=delivery_id()))


def end_discount(session: Session, request: EndDiscount, *, delivery: str | None = None) -> Answer:
    """End a discount that was not ended before, and return the answer, which is the same for a repeated request.

    It locks the discount's subscription before the discount, as redemptions and reversals do.
    Raises NotFound if the project has no such discount.
    """
    key = (request.project, request.discount)
    locked = lock_present_subscriptions(session, discounts=[key])
    return answer_once(
        session,
        request,
        task=END,
        delivery=delivery,
        conflict=lambda: conflict_answer("discount", project=request.project, request_id=request.request_id),
        work=lambda: _end(session, request, locked=locked),
    )


def _end(session: Session, request: EndDiscount, *, locked: Collection[SubscriptionKey]) -> Answer:
    key = (request.project, request.discount)
    (row,) = lock_discounts_by_id(session, keys=[key])
    check_not_moved([row], locked=locked)
    if row.status != DiscountStatus.ENDED:
        end_discounts(session, keys=[key], actor=request.actor, at=read_clock(session))
    (ended,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(ended)
