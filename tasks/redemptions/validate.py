"""Validate a redemption: answer as redeeming would, and write nothing."""

from sqlalchemy.orm import Session

from models.base import new_id, read_one_snapshot
from tasks.intake.task import contract_task
from tasks.redemptions.answers import validation_answer
from tasks.redemptions.attempts import Attempts, count_unknown_codes
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.look_up import read_claims
from tasks.redemptions.messages import Redeem, Validate
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


@contract_task("redemptions.validate", message=Validate, first_answer=AnswerTable.READS)
def validate(request: Validate) -> Answer:
    """Answer as `redemptions.redeem` would now, and write nothing."""
    answer = run_in_transaction(lambda session: validate_redemption(session, request))
    count_unknown_codes([answer], project=request.project, customer=request.customer)
    return answer


def validate_redemption(session: Session, request: Validate) -> Answer:
    """Decide a request as `redeem_all` would, without a lock, on one snapshot of the database.

    The answer promises nothing about the next moment: a caller that needs the place reserves it.
    """
    read_one_snapshot(session)
    claims = read_claims(session, [_as_redeem(request)])
    batch = RedemptionBatch.read(session, claims)
    batch.attempts = Attempts.read(session, claims, now=batch.decided_at)
    (answer,) = (batch.decide(claim) for claim in claims)
    batch.name_other_discounts(session)
    return validation_answer(
        answer, request_id=request.request_id, customer=request.customer, subscription=request.subscription
    )


def _as_redeem(request: Validate) -> Redeem:
    # Without an id, a new id under which nothing was ever decided.
    request_id = request.request_id or f"validation-{new_id()}"
    return Redeem.model_validate({**request.model_dump(mode="json", exclude_defaults=True), "request_id": request_id})
