"""The answers about holds."""

from datetime import datetime

from domain.eligibility import Refusal
from domain.hold import HoldStatus
from models.redemptions.row_types import AcceptedHoldRow, HoldRow
from tasks.redemptions.answers import is_retryable
from tasks.redemptions.messages import Redeem
from tasks.wire.answers import Answer, identity, instant


def first_hold_answer(row: HoldRow) -> Answer:
    """Return the first answer to a request for a hold, whatever has become of the hold since."""
    return hold_answer(row, status=HoldStatus.OPEN if row.reason is None else HoldStatus.REFUSED)


def status_at(now: datetime, *, row: AcceptedHoldRow) -> HoldStatus:
    """Return the status of a hold. An open hold has lapsed from its end on, whether or not a sweep has run."""
    status = HoldStatus(row.status)
    return HoldStatus.LAPSED if status is HoldStatus.OPEN and row.expires_at <= now else status


def hold_answer(row: HoldRow, *, status: HoldStatus) -> Answer:
    """Return the answer to a decided request for a hold. A refused request holds no place and has no id."""
    return {
        "object": "hold",
        "id": identity("hol", row.id if row.reason is None else None),
        "project": row.project,
        "requestId": row.request_id,
        "outcome": "accepted" if row.reason is None else "refused",
        "reason": row.reason,
        "retryable": is_retryable(row.reason),
        "voucher": identity("vou", row.voucher_id),
        "code": row.code,
        "customer": row.customer,
        "subscription": row.subscription,
        "discount": identity("dis", row.other_discount_id),
        "status": status.value,
        "expiresAt": instant(row.expires_at),
        "decidedAt": instant(row.created_at),
    }


def hold_conflict_answer(request: Redeem, *, at: datetime) -> Answer:
    """Refuse a request for a hold whose id was used with another body, or for a redemption."""
    return _unstored_refusal(request, at=at, refusal=Refusal.IDEMPOTENCY_CONFLICT)


def hold_attempts_answer(request: Redeem, *, at: datetime) -> Answer:
    """Refuse the code of a customer who has tried too many unknown codes, whether or not this one exists."""
    return {**_unstored_refusal(request, at=at, refusal=Refusal.TOO_MANY_ATTEMPTS), "code": request.code}


def _unstored_refusal(request: Redeem, *, at: datetime, refusal: Refusal) -> Answer:
    return {
        "object": "hold",
        "id": None,
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": refusal.value,
        "retryable": is_retryable(refusal),
        "voucher": None,
        "code": None,
        "customer": request.customer,
        "subscription": request.subscription,
        "discount": None,
        "status": HoldStatus.REFUSED.value,
        "expiresAt": None,
        "decidedAt": instant(at),
    }
