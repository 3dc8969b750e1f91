"""Hold a place for a customer."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace

from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from domain.hold import HoldStatus
from models.base import new_id
from models.redemptions.hold import find_holds
from tasks.intake.gathered import gathered_task
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.batch_codes import BatchCode
from tasks.redemptions.batch_vouchers import BatchVoucher, look_up_vouchers
from tasks.redemptions.hold_answers import first_hold_answer, hold_conflict_answer
from tasks.redemptions.judge_inputs import candidate_of_request
from tasks.redemptions.messages import Reserve
from tasks.wire.answers import Answer
from tasks.wire.replay import FirstAnswers
from worker.database import run_in_transaction


@gathered_task(
    "redemptions.reserve",
    message=Reserve,
    decide=lambda session, requests: reserve_all(session, requests),  # noqa: PLW0108 - it is defined below
)
def reserve(request: Reserve) -> Answer:
    """This task will hold a place for a while, by the rules of a redemption."""
    return run_in_transaction(lambda session: reserve_all(session, [request]))[0]


def reserve_all(session: Session, requests: Sequence[Reserve]) -> list[Answer]:
    """This function will decide the requests in their order and answer each of them, as `redeem_all` does.

    What it accepts holds a place in the voucher and its code until the hold is over, and is no redemption.
    """
    vouchers_and_codes = look_up_vouchers(session, requests)
    batch = RedemptionBatch.locked(session, requests, vouchers_and_codes=vouchers_and_codes)
    stored = find_holds(session, keys=[(each.project, each.request_id) for each in requests])
    held = FirstAnswers({key: (row.fingerprint, first_hold_answer(row)) for key, row in stored.items()})
    reservations = Reservations(batch, held=held)
    answers = [reservations.decide(*each) for each in zip(requests, *vouchers_and_codes, strict=True)]
    batch.write(session)
    return answers


class Reservations:
    """A batch of requests for holds: judged as redemptions are, and answered from the holds under their ids."""

    def __init__(self, batch: RedemptionBatch, *, held: FirstAnswers) -> None:
        self.batch = batch
        self.held = held

    def decide(self, request: Reserve, voucher: BatchVoucher | None, code: BatchCode | None) -> Answer:
        """This method will answer one request, from what was stored for its id or by the rules of redeeming."""
        key, fingerprint = (request.project, request.request_id), request.fingerprint()

        def conflict() -> Answer:
            return hold_conflict_answer(request, at=self.batch.decided_at)

        stored = self.held.replay(key, fingerprint=fingerprint, conflict=conflict)
        if stored is not None:
            return stored
        # What was redeemed under the id would be the answer to any confirmation.
        if self.batch.first_answers.knows(key):
            return conflict()
        answer = self.judge(request, voucher, code, fingerprint=fingerprint)
        if not answer["retryable"]:
            self.held.add(key, fingerprint=fingerprint, answer=answer)
        return answer

    def judge(
        self, request: Reserve, voucher: BatchVoucher | None, code: BatchCode | None, *, fingerprint: bytes
    ) -> Answer:
        """This method will decide a new request and note what has to be written."""
        batch, named = self.batch, code or voucher
        effective_at = batch.effective_at(request)
        candidate = candidate_of_request(voucher, code)
        verdict = batch.verdict(request, voucher, code, candidate=candidate, effective_at=effective_at)
        refusal = verdict.refusal
        row = SimpleNamespace(
            project=request.project,
            request_id=request.request_id,
            id=new_id(),
            fingerprint=fingerprint,
            voucher_id=voucher.row.id if voucher else None,
            code_id=code.row.id if code else None,
            code=named.row.code if named else request.code,
            customer=request.customer,
            subscription=request.subscription,
            request=request.model_dump_json(exclude={"ttl"}, exclude_defaults=True),
            reason=refusal and refusal.value,
            effective_at=effective_at,
            created_at=batch.decided_at,
            expires_at=None if refusal else batch.decided_at + timedelta(seconds=request.ttl),
            status=(HoldStatus.REFUSED if refusal else HoldStatus.OPEN).value,
            closed_at=None,
        )
        if refusal is None:
            batch.replaced(verdict)
        if refusal is not Refusal.FULLY_RESERVED:
            batch.places.add(row)
        return first_hold_answer(row)
