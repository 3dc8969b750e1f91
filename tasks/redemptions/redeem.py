"""Redeem vouchers: one transaction for a batch of requests, and the same number of statements for any size."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from tasks.intake.gathered import gathered_task
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.batch_vouchers import look_up_vouchers
from tasks.redemptions.messages import Redeem, RedeemMany
from tasks.wire.answers import Answer
from tasks.wire.parsing import answer_each
from tasks.wire.replay import CallerKey
from tasks.wire.task import contract_task
from worker.database import run_in_transaction


@gathered_task(
    "redemptions.redeem",
    message=Redeem,
    decide=lambda session, requests: redeem_all(session, requests),  # noqa: PLW0108 - it is defined below
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
    vouchers_and_codes = look_up_vouchers(session, requests)
    batch = RedemptionBatch.locked(session, requests, vouchers_and_codes=vouchers_and_codes)
    batch.completed_cards = completed_cards
    answers = [
        batch.decide(request, voucher, code, fingerprint=fingerprint)
        for request, voucher, code, fingerprint in zip(requests, *vouchers_and_codes, fingerprints, strict=True)
    ]
    batch.write(session)
    return answers
