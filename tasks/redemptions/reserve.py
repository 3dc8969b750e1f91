"""Hold places for customers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace

from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from domain.hold import HoldStatus
from models.base import new_id
from models.redemptions.hold import find_holds
from tasks.intake.task import gathered_task
from tasks.redemptions.attempts import Attempts
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.hold_answers import first_hold_answer, hold_attempts_answer, hold_conflict_answer
from tasks.redemptions.look_up import Claim, lock_claims
from tasks.redemptions.messages import Reserve
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable, FirstAnswers
from worker.database import run_in_transaction


def reserve_all(session: Session, requests: Sequence[Reserve]) -> list[Answer]:
    """Decide requests for holds in the order given, and return their answers.

    They are judged as `redeem_all` judges redemptions. An accepted request holds a place of the voucher and the code.
    """
    claims = lock_claims(session, requests)
    batch = RedemptionBatch.lock(session, claims)
    stored = find_holds(session, keys=[each.key for each in claims])
    first_answers = FirstAnswers({key: (row.fingerprint, first_hold_answer(row)) for key, row in stored.items()})
    batch.attempts = Attempts.lock(
        session,
        claims,
        is_decided=lambda key: first_answers.knows(key) or batch.first_answers.knows(key),
        now=batch.decided_at,
    )
    reservations = Reservations(batch, first_answers=first_answers)
    answers = [reservations.decide(claim, ttl=each.ttl) for claim, each in zip(claims, requests, strict=True)]
    batch.name_other_discounts(session)
    batch.write(session)
    return answers


class Reservations:
    """A batch of requests for holds: judged as redemptions, but replayed from the holds under their ids."""

    def __init__(self, batch: RedemptionBatch, *, first_answers: FirstAnswers) -> None:
        self.batch = batch
        self.first_answers = first_answers

    def decide(self, claim: Claim, *, ttl: int) -> Answer:
        """Answer a request for a hold of `ttl` seconds: with the first answer, or by the rules."""

        def conflict() -> Answer:
            return hold_conflict_answer(claim.request, at=self.batch.decided_at)

        stored = self.first_answers.replay(claim.key, fingerprint=claim.fingerprint, conflict=conflict)
        if stored is not None:
            return stored
        # A redemption under the id would be the answer to every confirmation of the hold.
        if self.batch.first_answers.knows(claim.key):
            return conflict()
        answer = self.judge(claim, ttl=ttl)
        if not answer["retryable"]:
            self.first_answers.add(claim.key, fingerprint=claim.fingerprint, answer=answer)
        return answer

    def judge(self, claim: Claim, *, ttl: int) -> Answer:
        """Decide a new request by the rules, and note the rows to write."""
        if self.batch.attempts.refuses(claim):
            return hold_attempts_answer(claim.request, at=self.batch.decided_at)
        effective_at = self.batch.effective_at(claim.request)
        verdict = self.batch.verdict(claim, candidate=claim.candidate, effective_at=effective_at)
        hold = self._hold(claim, ttl=ttl, refusal=verdict.refusal, effective_at=effective_at)
        if verdict.refusal is None:
            self.batch.replace_holds(verdict)
        if verdict.refusal is not Refusal.FULLY_RESERVED:
            self.batch.places.add(hold)
        answer = first_hold_answer(hold)
        self.batch.other_discounts.note(hold, answer=answer, granted=len(self.batch.discounts))
        return answer

    def _hold(self, claim: Claim, *, ttl: int, refusal: Refusal | None, effective_at: datetime) -> SimpleNamespace:
        decided_at = self.batch.decided_at
        return SimpleNamespace(
            project=claim.request.project,
            request_id=claim.request.request_id,
            id=new_id(),
            fingerprint=claim.fingerprint,
            voucher_id=claim.voucher_id,
            code_id=claim.code_id,
            code=claim.code_text,
            customer=claim.request.customer,
            subscription=claim.request.subscription,
            request=claim.request.model_dump_json(exclude={"ttl"}, exclude_defaults=True),
            reason=refusal and refusal.value,
            effective_at=effective_at,
            created_at=decided_at,
            expires_at=None if refusal else decided_at + timedelta(seconds=ttl),
            status=(HoldStatus.REFUSED if refusal else HoldStatus.OPEN).value,
            closed_at=None,
            other_discount_id=None,
            # No column, but known to the holds of the batch.
            exclusive=claim.candidate is not None and claim.candidate.is_exclusive,
        )


@gathered_task("redemptions.reserve", message=Reserve, first_answer=AnswerTable.HOLDS, decide=reserve_all)
def reserve(request: Reserve) -> Answer:
    """Hold a place for a customer for a limited time, by the rules of a redemption."""
    return run_in_transaction(lambda session: reserve_all(session, [request]))[0]
