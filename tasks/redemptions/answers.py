"""The answers about redemptions: accepted, refused, and validated only."""

from datetime import datetime

from domain.eligibility import RETRYABLE, Refusal
from domain.hold import HoldRefusal
from models.redemptions.row_types import AcceptedHoldRow, RedemptionRow
from tasks.redemptions.messages import Redeem
from tasks.wire.answers import Answer, identity, instant


def is_retryable(reason: str | None) -> bool:
    """Return whether the same request may be sent again, because waiting can change the answer."""
    return reason in RETRYABLE


def redemption_answer(row: RedemptionRow) -> Answer:
    """Return the answer to a decided request, from the stored row or from the values of a row to write.

    An accepted redemption and the discount have the same id with different prefixes. A refusal may name a discount that
    the customer has on another subscription. A request that is fully reserved is not stored and has no id.
    """
    return {
        "object": "redemption",
        "id": identity("red", row.id),
        "project": row.project,
        "requestId": row.request_id,
        "outcome": "accepted" if row.reason is None else "refused",
        "reason": row.reason,
        "retryable": is_retryable(row.reason),
        "voucher": identity("vou", row.voucher_id),
        "code": row.code,
        "customer": row.customer,
        "subscription": row.subscription,
        "discount": identity("dis", row.id if row.reason is None else row.other_discount_id),
        "redemptionNumber": row.redemption_number,
        "decidedAt": instant(row.decided_at),
    }


def redemption_conflict_answer(request: Redeem, *, at: datetime) -> Answer:
    """Refuse a request whose id was used with another body."""
    return {**_unstored_refusal(request, at=at), "reason": Refusal.IDEMPOTENCY_CONFLICT.value}


def attempts_answer(request: Redeem, *, at: datetime) -> Answer:
    """Refuse the code of a customer who has tried too many unknown codes, whether or not this one exists."""
    refusal = Refusal.TOO_MANY_ATTEMPTS
    return {**_unstored_refusal(request, at=at), "reason": refusal.value, "retryable": True, "code": request.code}


def hold_released_answer(hold: AcceptedHoldRow, *, at: datetime) -> Answer:
    """Refuse to confirm a hold that was released."""
    return {
        **_unstored_refusal(hold, at=at),
        "reason": HoldRefusal.HOLD_RELEASED.value,
        "voucher": identity("vou", hold.voucher_id),
        "code": hold.code,
    }


def validation_answer(
    answer: Answer, *, request_id: str | None, customer: str | None, subscription: str | None
) -> Answer:
    """Return the answer to a validation: that of redeeming, without id and number.

    The ids are those that the caller sent, or None. `discount` is that of a refusal: an accepted validation grants
    none.
    """
    return {
        "object": "validation",
        "project": answer["project"],
        "requestId": request_id,
        "outcome": answer["outcome"],
        "reason": answer["reason"],
        "retryable": answer["retryable"],
        "voucher": answer["voucher"],
        "code": answer["code"],
        "customer": customer,
        "subscription": subscription,
        "discount": None if answer["reason"] is None else answer["discount"],
        "decidedAt": answer["decidedAt"],
    }


def _unstored_refusal(request: Redeem | AcceptedHoldRow, *, at: datetime) -> Answer:
    return {
        "object": "redemption",
        "id": None,
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": None,
        "retryable": False,
        "voucher": None,
        "code": None,
        "customer": request.customer,
        "subscription": request.subscription,
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": instant(at),
    }
