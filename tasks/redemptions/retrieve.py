"""Retrieve the stored decision on a request id."""

from models.redemptions.redemption import find_redemptions
from tasks.intake.task import contract_task
from tasks.redemptions.answers import redemption_answer
from tasks.redemptions.messages import RedemptionReference
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("redemptions.retrieve", message=RedemptionReference, first_answer=AnswerTable.READS)
def retrieve(request: RedemptionReference) -> Answer:
    """Return the stored decision on a request id."""
    key = (request.project, request.request_id)
    with transaction() as session:
        stored = find_redemptions(session, keys=[key]).get(key)
    return redemption_answer(found(stored, "redemption"))
