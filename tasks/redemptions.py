"""Redeeming vouchers: a batch of requests, one transaction, the same number of statements for any size."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from models.redemption import find_redemptions
from tasks.answered import CallerKey
from tasks.answers import redemption_answer
from tasks.locked_vouchers import take_vouchers
from tasks.messages import Redeem, RedeemMany, RedemptionReference
from tasks.redemption_batch import Batch
from tasks.wire import Answer, NotFound, answer_each, contract_task
from worker.db import run_in_transaction, transaction


@contract_task(
    "redemptions.redeem",
    message=Redeem,
    decide_together=lambda session, requests: redeem_all(session, requests),  # noqa: PLW0108 - it stands below
)
def redeem(request: Redeem) -> Answer:
    """This task will decide one request."""
    return run_in_transaction(lambda session: redeem_all(session, [request]))[0]


@contract_task("redemptions.redeem_many", message=RedeemMany)
def redeem_many(request: RedeemMany) -> Answer:
    """This task will decide up to 1,000 requests, in the order sent."""
    return answer_each(
        request.requests,
        message=Redeem,
        decide=lambda requests: run_in_transaction(lambda session: redeem_all(session, requests)),
    )


@contract_task("redemptions.retrieve", message=RedemptionReference)
def retrieve(request: RedemptionReference) -> Answer:
    """This task will answer what was decided for a request id."""
    key = (request.project, request.request_id)
    with transaction() as session:
        stored = find_redemptions(session, keys=[key]).get(key)
    if stored is None:
        raise NotFound("redemption")
    return redemption_answer(stored)


def redeem_all(
    session: Session, requests: Sequence[Redeem], *, completed_cards: Collection[CallerKey] = ()
) -> list[Answer]:
    """This function will decide the requests in their order and answer each of them.

    It locks first (vouchers by id, then subscriptions), looks afterwards, decides in memory, and writes once.
    A request id that was decided before is answered as then. A unique violation means that another batch
    decided one of the ids at the same moment: run the batch again in a new transaction.
    `completed_cards` are those requests (by project and id) that come from a completed stamp card.
    """
    # All that can be done before others have to wait for the vouchers.
    fingerprints = [each.fingerprint() for each in requests]
    taken = take_vouchers(session, requests)
    batch = Batch.locked(session, requests, taken=taken)
    batch.completed_cards = completed_cards
    answers = [
        batch.decide(request, voucher, code, fingerprint=fingerprint)
        for request, voucher, code, fingerprint in zip(requests, *taken, fingerprints, strict=True)
    ]
    batch.write(session)
    return answers
