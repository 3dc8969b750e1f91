"""How callers see a hold."""

from datetime import datetime

from domain.eligibility import Refusal
from domain.hold import HoldRefusal, HoldStatus
from models.base import StoredRow
from tasks.redemptions.hold_requests import Hold
from tasks.redemptions.messages import Reserve
from tasks.wire.answers import Answer, identity, instant


def first_hold_answer(row: Hold) -> Answer:
    """This function will return what a request for a hold is answered for ever, whatever has become of the hold."""
    return hold_answer(row, status=HoldStatus.OPEN if row.reason is None else HoldStatus.REFUSED)


def hold_answer(row: Hold, *, status: HoldStatus) -> Answer:
    """This function will return a decided request as callers see it. One that holds nothing has no id."""
    return {
        "object": "hold",
        "id": identity("hol", row.id if row.reason is None else None),
        "project": row.project,
        "requestId": row.request_id,
        "outcome": "accepted" if row.reason is None else "refused",
        "reason": row.reason,
        "retryable": row.reason == Refusal.FULLY_RESERVED,
        "voucher": identity("vou", row.voucher_id),
        "code": row.code,
        "customer": row.customer,
        "subscription": row.subscription,
        "status": status.value,
        "expiresAt": instant(row.expires_at),
        "decidedAt": instant(row.created_at),
    }


def hold_conflict_answer(request: Reserve, *, at: datetime) -> Answer:
    """This function will refuse a request whose id was used with another body, or for a redemption."""
    return {
        "object": "hold",
        "id": None,
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
        "retryable": False,
        "voucher": None,
        "code": None,
        "customer": request.customer,
        "subscription": request.subscription,
        "status": HoldStatus.REFUSED.value,
        "expiresAt": None,
        "decidedAt": instant(at),
    }


def released_answer(hold: StoredRow, *, at: datetime) -> Answer:
    """This function will refuse to confirm a hold that was released."""
    return {
        "object": "redemption",
        "id": None,
        "project": hold.project,
        "requestId": hold.request_id,
        "outcome": "refused",
        "reason": HoldRefusal.HOLD_RELEASED.value,
        "voucher": identity("vou", hold.voucher_id),
        "code": hold.code,
        "customer": hold.customer,
        "subscription": hold.subscription,
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": instant(at),
    }
