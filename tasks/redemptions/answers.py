"""How callers see a redemption."""

from datetime import datetime

from domain.eligibility import Refusal
from tasks.redemptions.messages import Redeem
from tasks.wire.answers import Answer, AsStored, identity, instant


def redemption_answer(row: AsStored) -> Answer:
    """This function will return a decided request as callers see it, from its row or from what will be stored.

    The discount of an accepted one has the same identity, under its own prefix.
    """
    return {
        "object": "redemption",
        "id": identity("red", row.id),
        "project": row.project,
        "requestId": row.request_id,
        "outcome": "accepted" if row.reason is None else "refused",
        "reason": row.reason,
        # Of this reason alone: what was answered before there were holds is replayed as it was.
        **({"retryable": True} if row.reason == Refusal.FULLY_RESERVED else {}),
        "voucher": identity("vou", row.voucher_id),
        "code": row.code,
        "customer": row.customer,
        "subscription": row.subscription,
        "discount": identity("dis", row.id if row.reason is None else None),
        "redemptionNumber": row.redemption_number,
        "decidedAt": instant(row.decided_at),
    }


def redemption_conflict_answer(request: Redeem, *, at: datetime) -> Answer:
    """This function will refuse a request whose id was used with another body."""
    return {
        "object": "redemption",
        "id": None,
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
        "voucher": None,
        "code": None,
        "customer": request.customer,
        "subscription": request.subscription,
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": instant(at),
    }


def validation_answer(request: Redeem, *, answer: Answer, request_id: str | None) -> Answer:
    """This function will return what redeeming would be answered, without what only a redemption has."""
    return {
        "object": "validation",
        "project": request.project,
        "requestId": request_id,
        "outcome": answer["outcome"],
        "reason": answer["reason"],
        "retryable": answer.get("retryable", False),
        "voucher": answer["voucher"],
        "code": answer["code"],
        "customer": request.customer,
        "subscription": request.subscription,
        "decidedAt": answer["decidedAt"],
    }
