"""End a discount."""

from sqlalchemy.orm import Session

from models.base import read_clock
from models.discounts.discount import DiscountStatus
from models.discounts.ending import end_discounts
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_by_id
from models.discounts.subscription import lock_subscriptions
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import EndDiscount
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import NotFound
from tasks.wire.replay import answer_once
from tasks.wire.task import contract_task, delivery_id
from worker.database import run_in_transaction

END = "discounts.end"


@contract_task(END, message=EndDiscount)
def end(request: EndDiscount) -> Answer:
    """This task will end a discount: it takes nothing off any more."""
    return run_in_transaction(lambda session: end_discount(session, request, delivery=delivery_id()))


def end_discount(session: Session, request: EndDiscount, *, delivery: str | None = None) -> Answer:
    """This function will end a discount, or leave it as it is where it was ended before.

    It locks the discount's subscription first, as whoever completes a discount does. Raises NotFound where there
    is no such discount.
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
        work=lambda: _end_one(session, request),
    )


def _end_one(session: Session, request: EndDiscount) -> Answer:
    key = (request.project, request.discount)
    (row,) = lock_discounts_by_id(session, keys=[key])
    if row.status != DiscountStatus.ENDED:
        end_discounts(session, keys=[key], at=read_clock(session))
    (after,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(after)
