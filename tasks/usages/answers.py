"""The answers to recorded usage."""

from types import SimpleNamespace

from domain.eligibility import Refusal
from tasks.redemptions.answers import is_retryable
from tasks.usages.messages import RecordUsage
from tasks.wire.answers import Answer, instant
from tasks.wire.fields import type_id


def usage_answer(row: SimpleNamespace, *, current_stamp: int, redemption: Answer | None) -> Answer:
    """Return the answer to a recorded or refused entry.

    `row` has the values of the row that is not written yet. `redemption` is the answer to the redemption of the card
    that the entry completed.
    """
    return {
        "object": "usage",
        "id": type_id("use", row.id),
        "project": row.project,
        "outcome": "recorded" if row.reason is None else "refused",
        "reason": row.reason,
        "voucher": type_id("vou", row.voucher_id),
        "customer": row.customer,
        "ref": row.ref,
        "refType": row.ref_type,
        "usage": row.usage,
        "stamp": row.stamp,
        "amount": row.amount_minor,
        "currency": row.currency,
        "createdAt": instant(row.created_at),
        "createdBy": row.created_by,
        "currentStamp": current_stamp,
        "redemption": redemption,
    }


def stored_usage_answer(answer: Answer) -> Answer:
    """Return a stored answer, in which an old redemption of a card does not say yet whether it is retryable."""
    redemption = answer["redemption"]
    if redemption is None:
        return answer
    return {**answer, "redemption": {**redemption, "retryable": is_retryable(redemption["reason"])}}


def usage_conflict_answer(request: RecordUsage) -> Answer:
    """Refuse an entry whose reference was used with another body. Nothing is counted."""
    return {
        "object": "usage",
        "id": None,
        "project": request.project,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
        "voucher": type_id("vou", request.voucher),
        "customer": request.customer,
        "ref": request.ref,
        "refType": request.ref_type,
        "usage": 0,
        "stamp": 0,
        "amount": 0,
        "currency": request.currency,
        "createdAt": None,
        "createdBy": request.created_by,
        "currentStamp": None,
        "redemption": None,
    }
