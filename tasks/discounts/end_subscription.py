"""End a subscription: all its discounts end, and the places of those that never took effect are given back."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.voucher_update import retired_reason_after
from models.base import StoredRow, read_clock
from models.codes.counters import count_returned_to_codes
from models.discounts.discount import DiscountStatus
from models.discounts.ending import end_discounts, find_granted
from models.discounts.listing import find_discounts
from models.discounts.locks import lock_discounts_by_id
from models.discounts.subscription import lock_subscriptions
from models.redemptions.returned_place import find_returned, return_places
from models.vouchers.counters import count_returned, places_taken
from models.vouchers.look_up import lock_vouchers
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import EndSubscription
from tasks.wire.answers import Answer, conflict_answer, instant
from tasks.wire.replay import answer_once
from tasks.wire.task import contract_task, delivery_id
from worker.database import ChangedMeanwhileError, run_in_transaction

END_SUBSCRIPTION = "subscriptions.end"


@contract_task(END_SUBSCRIPTION, message=EndSubscription)
def end_subscription(request: EndSubscription) -> Answer:
    """This task will end what a subscription was granted, and give back the places of what never took effect."""
    return run_in_transaction(lambda session: end_all(session, request, delivery=delivery_id()))


def end_all(session: Session, request: EndSubscription, *, delivery: str | None = None) -> Answer:
    """This function will end whatever a subscription was granted and was not ended before, once for each request id.

    A redemption without an invoice that stands never took effect: its voucher, its code and its customer have its
    place back, once, unless something of it was charged back. It locks the vouchers first, then the subscription, then
    the discounts.
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
        work=lambda: _end_all(session, request, vouchers=vouchers),
    )


def _end_all(session: Session, request: EndSubscription, *, vouchers: list[StoredRow]) -> Answer:
    found = find_granted(session, project=request.project, subscription=request.subscription)
    # While this waited, another voucher was redeemed. Locking that one now would be out of order.
    if not {each.voucher_id for each in found} <= {each.id for each in vouchers}:
        raise ChangedMeanwhileError
    rows = lock_discounts_by_id(session, keys=[(request.project, each.id) for each in found])
    now = read_clock(session)
    # Those that are completed too: a reversal, or a late invoice, could find something that they still have to give.
    ended = [(row.project, row.id) for row in rows if row.status != DiscountStatus.ENDED]
    end_discounts(session, keys=ended, at=now)
    unused = {(row.project, row.id) for row in rows if not row.cycles}
    returned = find_returned(session, keys=unused)
    places = return_places(session, keys=[key for key in unused if key[1] not in returned], at=now)
    _give_places_back(session, places=places, vouchers=vouchers, now=now)
    return {
        "object": "subscription",
        "project": request.project,
        "subscription": request.subscription,
        "requestId": request.request_id,
        "outcome": "ended",
        "reason": None,
        "discounts": [
            discount_answer(each)
            for each in find_discounts(session, project=request.project, ids=[id_ for _, id_ in ended])
        ],
        "placesReturned": len(places),
        "endedAt": instant(now),
    }


def _give_places_back(
    session: Session, *, places: Sequence[StoredRow], vouchers: Sequence[StoredRow], now: datetime
) -> None:
    by_voucher = Counter(each.voucher_id for each in places)
    by_code = Counter((each.project, each.code_id) for each in places if each.code_id is not None)
    if by_voucher:
        counted = [each for each in vouchers if by_voucher[each.id]]
        count_returned(session, places=[_counted(each, count=by_voucher[each.id], now=now) for each in counted])
    if by_code:
        count_returned_to_codes(session, places=[(*key, count) for key, count in by_code.items()])


def _counted(row: StoredRow, *, count: int, now: datetime) -> dict[str, Any]:
    after = retired_reason_after(
        None if row.retired_reason is None else RetiredReason(row.retired_reason),
        expires_at=row.expires_at,
        maximum_redemptions=row.maximum_redemptions,
        redemptions=places_taken(row) - count,
        now=now,
    )
    at = row.expires_at if after is RetiredReason.EXPIRED else after and now
    return {"project": row.project, "id": row.id, "count": count, "reason": after and after.value, "at": at}
