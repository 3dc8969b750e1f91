"""Holding a place for a customer, confirming it as a redemption, and giving it back."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace

from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from domain.hold import HoldStatus
from models.base import StoredRow, new_id, read_clock
from models.code_listing import find_code
from models.hold import change_held, close_holds, find_hold, find_holds
from models.redemption import find_redemptions
from models.voucher import lock_vouchers
from tasks.answered import Answered
from tasks.held_requests import is_redeemed_by, request_of
from tasks.hold_answers import first_hold_answer, hold_answer, hold_conflict_answer, released_answer
from tasks.hold_messages import HoldReference, Reserve
from tasks.judging import judged_by
from tasks.locked_vouchers import LockedVoucher, take_vouchers
from tasks.named_codes import NamedCode, named_code
from tasks.redemption_batch import Batch
from tasks.wire import Answer, NotFound, contract_task
from worker.db import run_in_transaction

# What confirming and releasing leave as it is.
SETTLED = {HoldStatus.CONFIRMED, HoldStatus.RELEASED}


@contract_task(
    "redemptions.reserve",
    message=Reserve,
    decide_together=lambda session, requests: reserve_all(session, requests),  # noqa: PLW0108 - it stands below
)
def reserve(request: Reserve) -> Answer:
    """This task will hold a place for a while, by the rules of a redemption."""
    return run_in_transaction(lambda session: reserve_all(session, [request]))[0]


@contract_task("redemptions.confirm", message=HoldReference)
def confirm(request: HoldReference) -> Answer:
    """This task will redeem what is held."""
    return run_in_transaction(lambda session: confirm_hold(session, request))


@contract_task("redemptions.release", message=HoldReference)
def release(request: HoldReference) -> Answer:
    """This task will give a place back."""
    return run_in_transaction(lambda session: release_hold(session, request))


def reserve_all(session: Session, requests: Sequence[Reserve]) -> list[Answer]:
    """This function will decide the requests in their order and answer each of them, as `redeem_all` does.

    What it accepts holds a place in the voucher and its code until the hold is over, and is no redemption.
    """
    taken = take_vouchers(session, requests)
    batch = Batch.locked(session, requests, taken=taken)
    stored = find_holds(session, keys=[(each.project, each.request_id) for each in requests])
    held = Answered({key: (row.fingerprint, first_hold_answer(row)) for key, row in stored.items()})
    reservations = Reservations(batch, held=held)
    answers = [reservations.decide(*each) for each in zip(requests, *taken, strict=True)]
    batch.write(session)
    return answers


def confirm_hold(session: Session, reference: HoldReference) -> Answer:
    """This function will redeem under the hold's request id, once, and answer as redeeming does.

    An open hold is honoured whatever became of the voucher since; one that has lapsed or was replaced is decided
    as a new request. A refusal for good gives the place back. Raises NotFound where there is no such hold.
    """
    hold, voucher = _lock(session, reference)
    request = request_of(hold)
    fingerprint = request.fingerprint()
    code = _code_of(session, hold, voucher=voucher)
    batch = Batch.locked(session, [request], taken=([voucher], [code]))
    if hold.status == HoldStatus.RELEASED:
        stored = batch.replay(request, fingerprint=fingerprint)
        return stored or released_answer(hold, at=batch.decided_at)
    answer = batch.decide(request, voucher, code, fingerprint=fingerprint)
    redemption = next(iter(batch.redemptions), None) or _redeemed_under(session, hold)
    is_over = hold.status != HoldStatus.OPEN or hold.expires_at <= batch.decided_at
    # Where something else was redeemed under its id, it is never confirmed. Else what is over stays as it is.
    if hold.status not in SETTLED and redemption is not None and not (is_over and redemption.reason):
        batch.settle(hold, redemption=redemption)
    batch.write(session)
    return answer


def release_hold(session: Session, reference: HoldReference) -> Answer:
    """This function will give the place back once, and answer what the hold is then: confirmed if it was redeemed.

    What has lapsed or was replaced is released too, so that no later confirmation redeems it.
    Raises NotFound where there is no such hold.
    """
    hold, _ = _lock(session, reference)
    status = HoldStatus(hold.status)
    if status in SETTLED:
        return hold_answer(hold, status=status)
    redemption = _redeemed_under(session, hold)
    # It had lapsed or was replaced when its request was redeemed after all: the place is spent.
    spent_by = redemption.id if redemption is not None and is_redeemed_by(hold, redemption) else None
    after = HoldStatus.CONFIRMED if spent_by else HoldStatus.RELEASED
    close_holds(session, closed=[(hold.project, hold.id, after, spent_by)], closed_at=read_clock(session))
    if status is HoldStatus.OPEN:
        change_held(session, changed=[(hold.project, hold.voucher_id, -1)])
    return hold_answer(hold, status=after)


class Reservations:
    """A batch of requests for holds: judged as redemptions are, and answered from the holds under their ids."""

    def __init__(self, batch: Batch, *, held: Answered) -> None:
        self.batch = batch
        self.held = held

    def decide(self, request: Reserve, voucher: LockedVoucher | None, code: NamedCode | None) -> Answer:
        """This method will answer one request, from what was stored for its id or by the rules of redeeming."""
        key, fingerprint = (request.project, request.request_id), request.fingerprint()

        def conflict() -> Answer:
            return hold_conflict_answer(request, at=self.batch.decided_at)

        stored = self.held.replay(key, fingerprint=fingerprint, conflict=conflict)
        if stored is not None:
            return stored
        # What was redeemed under the id would be the answer to any confirmation.
        if self.batch.answered.knows(key):
            return conflict()
        answer = self.judge(request, voucher, code, fingerprint=fingerprint)
        if not answer["retryable"]:
            self.held.add(key, fingerprint=fingerprint, answer=answer)
        return answer

    def judge(
        self, request: Reserve, voucher: LockedVoucher | None, code: NamedCode | None, *, fingerprint: bytes
    ) -> Answer:
        """This method will decide a new request and note what has to be written."""
        batch, named = self.batch, code or voucher
        effective_at = batch.effective_at(request)
        candidate = judged_by(voucher, code)
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
            batch.make_way(verdict)
        if refusal is not Refusal.FULLY_RESERVED:
            batch.places.add(row)
        return first_hold_answer(row)


def _redeemed_under(session: Session, hold: StoredRow) -> StoredRow | None:
    key = (hold.project, hold.request_id)
    return find_redemptions(session, keys=[key]).get(key)


def _lock(session: Session, reference: HoldReference) -> tuple[StoredRow, LockedVoucher]:
    found = _find(session, reference)
    key = (found.project, found.voucher_id)
    voucher = lock_vouchers(session, keys=[key])[key]
    # Whoever writes a hold holds its voucher's lock: only now it stands still.
    return _find(session, reference), LockedVoucher.locked(voucher)


def _find(session: Session, reference: HoldReference) -> StoredRow:
    hold = find_hold(session, project=reference.project, id=reference.hold, request_id=reference.request_id)
    if hold is None:
        raise NotFound("hold")
    return hold


def _code_of(session: Session, hold: StoredRow, *, voucher: LockedVoucher) -> NamedCode | None:
    # The code that was held, whatever its text names by now.
    if hold.code_id is None:
        return None
    row = find_code(session, project=hold.project, id=hold.code_id)
    if row is None:
        raise NotFound("code")
    return named_code((hold.project, row.code), row, voucher=voucher.candidate)
