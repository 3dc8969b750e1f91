"""Decide a batch of redemptions: read the stored state once, decide each request in memory, and write once."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

from sqlalchemy.orm import Session

from domain.combination import Others
from domain.decisive_instant import decisive_instant
from domain.eligibility import Candidate, Refusal, judge
from domain.hold import HoldStatus, honoured
from domain.value_class import value
from models.base import ids_at, read_clock
from models.codes.counters import count_code_redemptions
from models.discounts.discount import add_discounts
from models.discounts.progress import complete_discounts_by_id
from models.discounts.subscription import lock_subscriptions
from models.redemptions.redemption import add_redemptions, find_redemptions
from models.redemptions.row_types import AcceptedHoldRow, HeldPlaceRow, RedemptionRow
from models.vouchers.counters import count_redemptions
from tasks.redemptions.answers import attempts_answer, redemption_answer, redemption_conflict_answer
from tasks.redemptions.attempts import Attempts
from tasks.redemptions.batch_vouchers import BatchCode, BatchVoucher
from tasks.redemptions.counts_and_purchase import counts_for, purchase_of
from tasks.redemptions.held_places import HeldPlaces
from tasks.redemptions.hold_match import is_redeemed_by
from tasks.redemptions.look_up import Claim, count_customers_places
from tasks.redemptions.messages import Redeem
from tasks.redemptions.other_discounts import OtherDiscounts
from tasks.redemptions.running import Running
from tasks.wire.answers import Answer
from tasks.wire.replay import CallerKey, FirstAnswers
from worker.settings import settings


@value
class Verdict:
    """The reason to refuse a request, or None, and the customer's own holds that an accepted request replaces."""

    refusal: Refusal | None
    replaced_holds: list[HeldPlaceRow]


class RedemptionBatch:
    """The decisions on a batch of requests, and the rows to write. Each decision counts all earlier decisions."""

    def __init__(self, *, decided_at: datetime, first_answers: FirstAnswers) -> None:
        self.decided_at = decided_at
        self.grace = timedelta(seconds=settings().requested_at_grace_seconds)
        self.first_answers = first_answers
        self.places = HeldPlaces(at=decided_at)
        self.completed_cards: Collection[CallerKey] = ()
        # Nobody has tried anything, unless the caller looks.
        self.attempts = Attempts({})
        self.running = Running()
        self.granted_vouchers: list[BatchVoucher] = []
        self.granted_codes: list[BatchCode] = []
        self.redemptions: list[SimpleNamespace] = []
        self.discounts: list[dict[str, Any]] = []
        self.other_discounts = OtherDiscounts()
        # They have the instant of the decision, so that lists are in that order.
        self._ids = ids_at(decided_at)

    @classmethod
    def lock(cls, session: Session, claims: Sequence[Claim]) -> Self:
        """Lock the subscriptions of the requests, and read the state that their decisions start from.

        The vouchers must be locked already.
        """
        lock_subscriptions(session, keys={each.subscription for each in claims})
        return cls.read(session, claims)

    @classmethod
    def read(cls, session: Session, claims: Sequence[Claim]) -> Self:
        """Read the state that the decisions start from, without a lock."""
        stored = find_redemptions(session, keys=[each.key for each in claims])
        first_answers = FirstAnswers({key: (row.fingerprint, redemption_answer(row)) for key, row in stored.items()})
        # The instant of the decision is after every wait for a lock.
        batch = cls(decided_at=read_clock(session), first_answers=first_answers)
        count_customers_places(session, claims)
        subscriptions = {each.subscription for each in claims}
        batch.running = Running.read(session, subscriptions=subscriptions, today=batch.decided_at.date())
        batch.places = HeldPlaces.read(session, claims, at=batch.decided_at)
        return batch

    def decide(self, claim: Claim) -> Answer:
        """Answer a request: with the first answer if the id was decided before, otherwise by the rules."""
        answer = self.replay(claim)
        if answer is None:
            answer = self.judge(claim)
            # A refusal that can be retried is not final, so a later request of the batch is decided anew.
            if not answer["retryable"]:
                self.first_answers.add(claim.key, fingerprint=claim.fingerprint, answer=answer)
        return answer

    def replay(self, claim: Claim) -> Answer | None:
        """Return the first answer to the request's id, a conflict if the body was different, or None."""
        return self.first_answers.replay(
            claim.key,
            fingerprint=claim.fingerprint,
            conflict=lambda: redemption_conflict_answer(claim.request, at=self.decided_at),
        )

    def judge(self, claim: Claim) -> Answer:
        """Decide a new request by the rules, and note the rows to write.

        If an open hold has the request's id and body, the hold is honoured, as of the instant of the hold.
        """
        hold = self.places.hold_to_confirm(claim)
        if hold is None and self.attempts.refuses(claim):
            return attempts_answer(claim.request, at=self.decided_at)
        candidate = claim.candidate
        if hold is not None and candidate is not None:
            candidate = honoured(candidate)
        effective_at = self.effective_at(claim.request) if hold is None else hold.effective_at
        verdict = self.verdict(claim, candidate=candidate, effective_at=effective_at)
        redemption = self._redemption(claim, refusal=verdict.refusal, effective_at=effective_at)
        if verdict.refusal is Refusal.FULLY_RESERVED:
            return redemption_answer(redemption)
        self.redemptions.append(redemption)
        if hold is not None:
            self.end_hold(hold, redemption=redemption)
        if claim.voucher is not None and verdict.refusal is None:
            self.replace_holds(verdict, confirmed=hold)
            self._grant(claim, claim.voucher, redemption=redemption)
        answer = redemption_answer(redemption)
        self.other_discounts.note(redemption, answer=answer, granted=len(self.discounts))
        return answer

    def effective_at(self, request: Redeem) -> datetime:
        """Return the instant at which the voucher must be open."""
        return decisive_instant(decided_at=self.decided_at, requested_at=request.requested_at, grace=self.grace)

    def verdict(self, claim: Claim, *, candidate: Candidate | None, effective_at: datetime) -> Verdict:
        """Judge a request, and find the fewest holds of the customer that must be replaced.

        `candidate` is the claim's own, or the honoured candidate of the hold that the request confirms.
        """
        running = self.running.on(claim.subscription)
        others = self._others(claim)
        counts = counts_for(claim, running=running, others=others, completed_cards=self.completed_cards)
        purchase = purchase_of(claim.request)
        verdict = Verdict(refusal=Refusal.FULLY_RESERVED, replaced_holds=[])
        for possible, replaced_holds in self.places.possible_counts(counts, claim=claim, candidate=candidate):
            refusal = judge(candidate, purchase=purchase, counts=possible, effective_at=effective_at)
            verdict = Verdict(refusal=refusal, replaced_holds=replaced_holds)
            if refusal is not Refusal.FULLY_RESERVED:
                break
        return verdict

    def _others(self, claim: Claim) -> Others:
        held = self.places.beside(claim)
        return Others(
            exist=bool(held or self.running.on(claim.subscription)),
            include_exclusive=self.running.is_exclusive_on(claim.subscription) or any(each.exclusive for each in held),
        )

    def end_hold(self, hold: AcceptedHoldRow, *, redemption: RedemptionRow) -> None:
        """Confirm a hold if its request was redeemed, otherwise release it. The decision under its id is final."""
        if is_redeemed_by(hold, redemption):
            self.places.close(hold, HoldStatus.CONFIRMED, redemption_id=redemption.id)
        else:
            self.places.close(hold, HoldStatus.RELEASED)

    def replace_holds(self, verdict: Verdict, *, confirmed: AcceptedHoldRow | None = None) -> None:
        """Replace the holds of an accepted request's customer, except the hold that the request confirms."""
        for hold in verdict.replaced_holds:
            if confirmed is None or hold.id != confirmed.id:
                self.places.close(hold, HoldStatus.REPLACED)

    def name_other_discounts(self, session: Session) -> None:
        """Let refusals name the discount that the customer has on another subscription, when all are decided."""
        self.other_discounts.name(session, granted=self.discounts, today=self.decided_at.date())

    def write(self, session: Session) -> None:
        """Write all decisions, in the same number of statements for a batch of any size."""
        complete_discounts_by_id(session, keys=self.running.to_complete, at=self.decided_at)
        self.places.write(session)
        add_redemptions(session, rows=self.redemptions)
        add_discounts(session, rows=self.discounts)
        granted = [(*each.key, each.granted) for each in self.granted_vouchers]
        count_redemptions(session, granted=granted, decided_at=self.decided_at)
        if self.granted_codes:
            by_code = [(each.row.project, each.row.id, each.granted) for each in self.granted_codes]
            count_code_redemptions(session, granted=by_code, decided_at=self.decided_at)

    def _redemption(self, claim: Claim, *, refusal: Refusal | None, effective_at: datetime) -> SimpleNamespace:
        return SimpleNamespace(
            project=claim.request.project,
            request_id=claim.request.request_id,
            # Requests that are fully reserved are not stored, so they have no id.
            id=None if refusal is Refusal.FULLY_RESERVED else next(self._ids),
            fingerprint=claim.fingerprint,
            voucher_id=claim.voucher_id,
            code=claim.code_text,
            customer=claim.request.customer,
            subscription=claim.request.subscription,
            reason=refusal and refusal.value,
            redemption_number=None,
            effective_at=effective_at,
            decided_at=self.decided_at,
            code_id=claim.code_id,
            other_discount_id=None,
        )

    def _grant(self, claim: Claim, voucher: BatchVoucher, *, redemption: SimpleNamespace) -> None:
        if not voucher.granted:
            self.granted_vouchers.append(voucher)
        redemption.redemption_number = voucher.grant(customer=claim.request.customer)
        if claim.code is not None:
            if not claim.code.granted:
                self.granted_codes.append(claim.code)
            claim.code.grant(customer=claim.request.customer)
        self.running.add(voucher.row.id, subscription=claim.subscription, is_exclusive=voucher.row.exclusive)
        self.discounts.append(self._discount(claim.request, redemption=redemption))

    def _discount(self, request: Redeem, *, redemption: SimpleNamespace) -> dict[str, Any]:
        requested_at = request.requested_at or self.decided_at.astimezone(UTC)
        return {
            "project": request.project,
            "id": redemption.id,
            "voucher_id": redemption.voucher_id,
            "customer": request.customer,
            "subscription": request.subscription,
            "created_at": self.decided_at,
            "starts_on": request.starts_on or requested_at.date(),
            "starts_on_in_utc": request.starts_on or requested_at.astimezone(UTC).date(),
        }
