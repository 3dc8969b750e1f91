"""A batch of requests to redeem: what the locked rows said, what is decided on top of it, and what it writes."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from domain.eligibility import Candidate, Refusal, decisive_instant, judge
from domain.hold import HoldStatus, honoured
from models.base import StoredRow, new_id, read_clock
from models.codes.counters import count_code_redemptions
from models.discounts.discount import add_discounts
from models.discounts.of_subscription import find_running, is_within_window
from models.discounts.progress import complete
from models.discounts.subscription import lock_subscriptions
from models.redemptions.redemption import add_redemptions, find_redemptions
from models.vouchers.counters import count_redemptions
from tasks.redemptions.answers import redemption_answer, redemption_conflict_answer
from tasks.redemptions.batch_codes import BatchCode
from tasks.redemptions.batch_vouchers import BatchVoucher, VoucherKey, VouchersAndCodes, count_earlier_redemptions
from tasks.redemptions.held_places import HeldPlaces, Verdict
from tasks.redemptions.hold_requests import Hold, is_redeemed_by
from tasks.redemptions.judge_inputs import candidate_of_request, counts_for, purchase_of
from tasks.redemptions.messages import Redeem
from tasks.wire.answers import Answer
from tasks.wire.replay import CallerKey, FirstAnswers
from worker.settings import settings

# The vouchers that run on each (project, subscription). By equality, not in sets: a few on each, and a UUID is slow to
# hash.
Running = defaultdict[tuple[str, str], list[UUID]]


class RedemptionBatch:
    """What the locked rows said, and what this batch has decided on top of it."""

    def __init__(self, *, decided_at: datetime, first_answers: FirstAnswers) -> None:
        self.decided_at = decided_at
        self.grace = timedelta(seconds=settings().requested_at_grace_seconds)
        self.first_answers = first_answers
        self.places = HeldPlaces(at=decided_at)
        self.completed_cards: Collection[CallerKey] = ()
        self.running: Running = defaultdict(list)
        self.over: list[VoucherKey] = []
        self.granted: list[BatchVoucher] = []
        self.granted_codes: list[BatchCode] = []
        self.redemptions: list[SimpleNamespace] = []
        self.discounts: list[dict[str, Any]] = []

    @classmethod
    def locked(cls, session: Session, requests: Sequence[Redeem], *, vouchers_and_codes: VouchersAndCodes) -> Self:
        """This method will lock the requests' subscriptions and read all that their decisions need.

        The vouchers were locked before, one for each request.
        """
        lock_subscriptions(session, keys={(each.project, each.subscription) for each in requests})
        return cls.seen(session, requests, vouchers_and_codes=vouchers_and_codes)

    @classmethod
    def seen(cls, session: Session, requests: Sequence[Redeem], *, vouchers_and_codes: VouchersAndCodes) -> Self:
        """This method will read all that the requests' decisions need, without a lock."""
        vouchers, codes = vouchers_and_codes
        subscriptions = {(each.project, each.subscription) for each in requests}
        stored = find_redemptions(session, keys=[(each.project, each.request_id) for each in requests])
        first_answers = FirstAnswers({key: (row.fingerprint, redemption_answer(row)) for key, row in stored.items()})
        batch = cls(decided_at=read_clock(session), first_answers=first_answers)
        count_earlier_redemptions(session, requests, vouchers)
        batch.note_running(find_running(session, subscriptions=subscriptions))
        batch.places = HeldPlaces.read(session, requests, vouchers=vouchers, codes=codes, at=batch.decided_at)
        return batch

    def note_running(self, discounts: Sequence[StoredRow]) -> None:
        """This method will tell the discounts that run from those that are over but were not swept yet."""
        for row in discounts:
            if is_within_window(row, today=self.decided_at.date()):
                self.running[row.project, row.subscription].append(row.voucher_id)
            else:
                self.over.append((row.project, row.id))

    def decide(
        self, request: Redeem, voucher: BatchVoucher | None, code: BatchCode | None, *, fingerprint: bytes
    ) -> Answer:
        """This method will answer one request, from what was stored for its id or by the rules."""
        answer = self.replay(request, fingerprint=fingerprint)
        if answer is None:
            answer = self.judge(request, voucher, code, fingerprint=fingerprint)
            # What may be tried again is not the answer for ever.
            if not answer.get("retryable"):
                self.first_answers.add((request.project, request.request_id), fingerprint=fingerprint, answer=answer)
        return answer

    def replay(self, request: Redeem, *, fingerprint: bytes) -> Answer | None:
        """This method will return what was answered before under the request's id, or None."""
        return self.first_answers.replay(
            (request.project, request.request_id),
            fingerprint=fingerprint,
            conflict=lambda: redemption_conflict_answer(request, at=self.decided_at),
        )

    def judge(
        self, request: Redeem, voucher: BatchVoucher | None, code: BatchCode | None, *, fingerprint: bytes
    ) -> Answer:
        """This method will decide a new request and note what has to be written.

        What was held under its id is honoured, whatever became of the voucher since, and is of the hold's instant.
        """
        hold = self.places.reserved_by(request, voucher=voucher, code=code, fingerprint=fingerprint)
        named, candidate = code or voucher, candidate_of_request(voucher, code)
        effective_at = hold.effective_at if hold else self.effective_at(request)
        verdict = self.verdict(
            request,
            voucher,
            code,
            candidate=honoured(candidate) if hold and candidate else candidate,
            effective_at=effective_at,
        )
        refusal = verdict.refusal
        row = SimpleNamespace(
            project=request.project,
            request_id=request.request_id,
            id=None if refusal is Refusal.FULLY_RESERVED else new_id(),
            fingerprint=fingerprint,
            voucher_id=voucher.row.id if voucher else None,
            code=named.row.code if named else request.code,
            customer=request.customer,
            subscription=request.subscription,
            reason=refusal and refusal.value,
            redemption_number=None,
            effective_at=effective_at,
            decided_at=self.decided_at,
            code_id=code.row.id if code else None,
        )
        if refusal is not Refusal.FULLY_RESERVED:
            self.redemptions.append(row)
            if hold is not None:
                self.end_hold(hold, redemption=row)
        if voucher is not None and refusal is None:
            self.replaced(verdict, confirmed=hold)
            if not voucher.granted:
                self.granted.append(voucher)
            voucher.grant(customer=request.customer)
            if code is not None:
                self.grant_code(code)
            row.redemption_number = voucher.redemptions
            self.running[request.project, request.subscription].append(voucher.row.id)
            self.add_discount(request, redemption=row)
        return redemption_answer(row)

    def effective_at(self, request: Redeem) -> datetime:
        """This method will return the instant at which the voucher must be open."""
        return decisive_instant(decided_at=self.decided_at, requested_at=request.requested_at, grace=self.grace)

    def verdict(
        self,
        request: Redeem,
        voucher: BatchVoucher | None,
        code: BatchCode | None,
        *,
        candidate: Candidate | None,
        effective_at: datetime,
    ) -> Verdict:
        """This method will judge a request, with as few of its customer's own holds set aside as let it through."""
        counts = counts_for(
            request,
            voucher,
            code,
            running=self.running[request.project, request.subscription],
            completed_cards=self.completed_cards,
        )
        verdict = Verdict(refusal=Refusal.FULLY_RESERVED, replaced=[])
        for each, replaced in self.places.possible_counts(
            counts, request=request, voucher=voucher, code=code, candidate=candidate
        ):
            refusal = judge(candidate, purchase=purchase_of(request), counts=each, effective_at=effective_at)
            verdict = Verdict(refusal=refusal, replaced=replaced)
            if refusal is not Refusal.FULLY_RESERVED:
                break
        return verdict

    def end_hold(self, hold: Hold, *, redemption: StoredRow | SimpleNamespace) -> None:
        """This method will end a hold with what was decided for good under its id: a refusal gives the place back."""
        if is_redeemed_by(hold, redemption):
            self.places.close(hold, HoldStatus.CONFIRMED, redemption_id=redemption.id)
        else:
            self.places.close(hold, HoldStatus.RELEASED)

    def replaced(self, verdict: Verdict, *, confirmed: Hold | None = None) -> None:
        """This method will have the customer's own holds make way for what was accepted, but for one it confirms."""
        for hold in verdict.replaced:
            if confirmed is None or hold.id != confirmed.id:
                self.places.close(hold, HoldStatus.REPLACED)

    def grant_code(self, code: BatchCode) -> None:
        """This method will count one more redemption of a code."""
        if not code.granted:
            self.granted_codes.append(code)
        code.granted += 1

    def add_discount(self, request: Redeem, *, redemption: SimpleNamespace) -> None:
        """This method will note the discount that an accepted request gets: it has the redemption's identity."""
        requested_at = request.requested_at or self.decided_at.astimezone(UTC)
        self.discounts.append(
            {
                "project": request.project,
                "id": redemption.id,
                "voucher_id": redemption.voucher_id,
                "customer": request.customer,
                "subscription": request.subscription,
                "created_at": self.decided_at,
                "starts_on": request.starts_on or requested_at.date(),
                "starts_on_in_utc": request.starts_on or requested_at.astimezone(UTC).date(),
            }
        )

    def write(self, session: Session) -> None:
        """This method will write what was decided: one statement for each table, one update for each voucher."""
        granted = [(each.row.project, each.row.id, each.granted) for each in self.granted]
        complete(session, keys=self.over)
        self.places.write(session)
        add_redemptions(session, rows=self.redemptions)
        add_discounts(session, rows=self.discounts)
        count_redemptions(session, granted=granted, decided_at=self.decided_at)
        if self.granted_codes:
            by_code = [(each.project, each.row.id, each.granted) for each in self.granted_codes]
            count_code_redemptions(session, granted=by_code, decided_at=self.decided_at)
