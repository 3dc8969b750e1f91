"""Redeem vouchers: decide a batch of requests in a transaction, with the same statements for a batch of any size."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from tasks.intake.task import contract_task, gathered_task
from tasks.redemptions.attempts import Attempts
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.look_up import lock_claims
from tasks.redemptions.messages import Redeem, RedeemMany
from tasks.wire.answers import Answer
from tasks.wire.bulk import answer_each
from tasks.wire.replay import AnswerTable, CallerKey
from worker.database import run_in_transaction


def redeem_all(
    session: Session, requests: Sequence[Redeem], *, completed_cards: Collection[CallerKey] = ()
) -> list[Answer]:
    """Decide requests in the order given, and return their answers.

    A request id that was decided before gets the first answer again. `completed_cards` are the (project, request id)
    of the requests that redeem a completed stamp card.

    A unique violation means that another transaction decided one of the ids at the same moment. Run the batch again in
    a new transaction, as `run_in_transaction` does.
    """
    # Vouchers are locked first, by id, and subscriptions second. This order is the same in every use case, so that two
    # of them never deadlock.
    claims = lock_claims(session, requests)
    batch = RedemptionBatch.lock(session, claims)
    batch.completed_cards = completed_cards
    batch.attempts = Attempts.lock(session, claims, is_decided=batch.first_answers.knows, now=batch.decided_at)
    answers = [batch.decide(claim) for claim in claims]
    batch.name_other_discounts(session)
    batch.write(session)
    return answers


@gathered_task("redemptions.redeem", message=Redeem, first_answer=AnswerTable.REDEMPTIONS, decide=redeem_all)
def redeem(request: Redeem) -> Answer:
    """Decide a redemption: grant the discount of the voucher, or refuse with a reason."""
    return run_in_transaction(lambda session: redeem_all(session, [request]))[0]


@contract_task("redemptions.redeem_many", message=RedeemMany, first_answer=AnswerTable.REDEMPTIONS)
def redeem_many(request: RedeemMany) -> Answer:
    """Decide up to 1,000 redemptions, in the order sent."""
    return answer_each(request.requests, message=Redeem, decide=redeem_all)
