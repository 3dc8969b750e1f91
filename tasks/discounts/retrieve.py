"""Retrieve a discount by its id."""

from models.discounts.listing import find_discounts
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import DiscountReference
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("discounts.retrieve", message=DiscountReference, first_answer=AnswerTable.READS)
def retrieve(request: DiscountReference) -> Answer:
    """Return a discount as it is now."""
    with transaction() as session:
        rows = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(found(next(iter(rows), None), "discount"))
