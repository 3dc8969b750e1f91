"""End a discount by its id, for an operator."""

from sqlalchemy.orm import Session

from models.base import read_clock
from models.discounts.discount import DiscountStatus
from models.discounts.ending import end_discounts
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_by_id
from models.discounts.subscription import lock_subscriptions
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import EndDiscount
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import NotFound
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
    found = find_discounts(session, project=request.project, ids=[request.discount])
    if not found:
        raise NotFound("discount")
    (row,) = found
    lock_subscriptions(session, keys=[(row.project, row.subscription)])
    return answer_once(
        session,
        request,
        task=END,
        delivery=delivery,
        conflict=lambda: conflict_answer("discount", project=request.project, request_id=request.request_id),
        work=lambda: _end(session, request),
    )


def _end(session: Session, request: EndDiscount) -> Answer:
    key = (request.project, request.discount)
    (row,) = lock_discounts_by_id(session, keys=[key])
    if row.status != DiscountStatus.ENDED:
        end_discounts(session, keys=[key], at=read_clock(session))
    (ended,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(ended)
