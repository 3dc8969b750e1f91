"""End a subscription: end all its discounts, and return the places of redemptions that never took effect."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.voucher_update import retired_reason_after
from models.base import read_clock
from models.codes.counters import count_returned_to_codes
from models.discounts.discount import DiscountStatus
from models.discounts.ending import end_discounts, find_granted
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_by_id
from models.discounts.row_types import DiscountRow
from models.discounts.subscription import lock_subscriptions
from models.redemptions.returned_place import find_returned, return_places
from models.redemptions.row_types import ReturnedPlaceRow
from models.vouchers.counters import count_returned, places_taken
from models.vouchers.look_up import lock_vouchers
from models.vouchers.row_types import DecisiveVoucherRow
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import EndSubscription
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer, conflict_answer, instant
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import ChangedMeanwhileError, run_in_transaction

END_SUBSCRIPTION = "subscriptions.end"


@contract_task(END_SUBSCRIPTION, message=EndSubscription, first_answer=AnswerTable.WRITE_ANSWERS)
def end(request: EndSubscription) -> Answer:
    """End all discounts of a subscription, and return the places of redemptions that never took effect."""
    return run_in_transaction(lambda session: end_subscription(session, request, delivery=delivery_id()))


def end_subscription(session: Session, request: EndSubscription, *, delivery: str | None = None) -> Answer:
    """End a subscription, and return the answer, which is the same for a repeated request.

    A redemption never took effect if its discount has no ledger entry, or if all its entries were given back. Its
    voucher, code and customer get the place back once, unless an invoice was charged back.
    It locks the vouchers first, then the subscription, then the discounts.
    """
    granted = find_granted(session, project=request.project, subscription=request.subscription)
    keys = {(request.project, each.voucher_id) for each in granted}
    vouchers = list(lock_vouchers(session, keys=keys).values())
    lock_subscriptions(session, keys=[(request.project, request.subscription)])
    return answer_once(
        session,
        request,
        task=END_SUBSCRIPTION,
        delivery=delivery,
        conflict=lambda: conflict_answer("subscription", project=request.project, request_id=request.request_id),
        work=lambda: _end(session, request, vouchers=vouchers),
    )


def _end(session: Session, request: EndSubscription, *, vouchers: Sequence[DecisiveVoucherRow]) -> Answer:
    granted = find_granted(session, project=request.project, subscription=request.subscription)
    # Another voucher may have been redeemed before the subscription was locked. Locking that voucher now may deadlock.
    if not {each.voucher_id for each in granted} <= {each.id for each in vouchers}:
        raise ChangedMeanwhileError
    discounts = lock_discounts_by_id(session, keys=[(request.project, each.id) for each in granted])
    now = read_clock(session)
    # Completed discounts are ended too: otherwise a reversal or a late invoice could still use them.
    ended = [(row.project, row.id) for row in discounts if row.status != DiscountStatus.ENDED]
    end_discounts(session, keys=ended, actor=request.actor, at=now)
    places = _return_unused_places(session, discounts=discounts, now=now)
    _count_on_vouchers(session, places=places, vouchers=vouchers, now=now)
    _count_on_codes(session, places=places)
    shown = find_discounts(session, project=request.project, ids=[id_ for _, id_ in ended])
    return {
        "object": "subscription",
        "project": request.project,
        "subscription": request.subscription,
        "requestId": request.request_id,
        "outcome": "ended",
        "reason": None,
        "discounts": [discount_answer(each) for each in shown],
        "placesReturned": len(places),
        "endedAt": instant(now),
    }


def _return_unused_places(
    session: Session, *, discounts: Sequence[DiscountRow], now: datetime
) -> Sequence[ReturnedPlaceRow]:
    unused = {(row.project, row.id) for row in discounts if not row.cycles}
    returned = find_returned(session, keys=unused)
    return return_places(session, keys=[key for key in unused if key[1] not in returned], at=now)


def _count_on_vouchers(
    session: Session, *, places: Sequence[ReturnedPlaceRow], vouchers: Sequence[DecisiveVoucherRow], now: datetime
) -> None:
    counts = Counter(each.voucher_id for each in places)
    if counts:
        changed = [each for each in vouchers if counts[each.id]]
        count_returned(session, places=[_voucher_after(each, count=counts[each.id], now=now) for each in changed])


def _voucher_after(row: DecisiveVoucherRow, *, count: int, now: datetime) -> dict[str, Any]:
    reason = retired_reason_after(
        None if row.retired_reason is None else RetiredReason(row.retired_reason),
        expires_at=row.expires_at,
        maximum_redemptions=row.maximum_redemptions,
        redemptions=places_taken(row) - count,
        now=now,
    )
    at = row.expires_at if reason is RetiredReason.EXPIRED else reason and now
    return {"project": row.project, "id": row.id, "count": count, "reason": reason and reason.value, "at": at}


def _count_on_codes(session: Session, *, places: Sequence[ReturnedPlaceRow]) -> None:
    counts = Counter((each.project, each.code_id) for each in places if each.code_id is not None)
    if counts:
        count_returned_to_codes(session, places=[(*key, count) for key, count in counts.items()])
