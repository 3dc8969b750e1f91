"""Discounts, listed a page at a time and ended by an operator, and subscriptions that end."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.updating import retired_reason_after
from models.base import StoredRow, read_clock
from models.discount import DiscountStatus
from models.discount_list import DiscountListing, find_discounts, newer_discounts, older_discounts
from models.discount_locks import lock_discounts_by_id
from models.ending import (
    count_returned,
    count_returned_to_codes,
    end_discounts,
    find_granted,
    find_returned,
    return_places,
)
from models.place import places_taken
from models.subscription import lock_subscriptions
from models.voucher import lock_vouchers
from tasks.answered import answer_once
from tasks.answers import conflict_answer, instant
from tasks.discount_answers import discount_answer
from tasks.ending_messages import EndDiscount, EndSubscription, ListDiscounts
from tasks.paging import page_answer
from tasks.wire import Answer, NotFound, contract_task, delivery_id
from worker.db import ChangedMeanwhileError, run_in_transaction, transaction

END = "discounts.end"
END_SUBSCRIPTION = "subscriptions.end"


@contract_task("discounts.list", message=ListDiscounts)
def list_(request: ListDiscounts) -> Answer:
    """This task will answer a page of discounts, and where the next and the previous one begin."""
    with transaction() as session:
        return list_discounts(session, request)


@contract_task(END, message=EndDiscount)
def end(request: EndDiscount) -> Answer:
    """This task will end a discount: it takes nothing off any more."""
    return run_in_transaction(lambda session: end_discount(session, request, delivery=delivery_id()))


@contract_task(END_SUBSCRIPTION, message=EndSubscription)
def end_subscription(request: EndSubscription) -> Answer:
    """This task will end what a subscription was granted, and give back the places of what never took effect."""
    return run_in_transaction(lambda session: end_all(session, request, delivery=delivery_id()))


def list_discounts(session: Session, request: ListDiscounts) -> Answer:
    """This function will answer a page of a subscription's, a customer's or a voucher's discounts."""
    listing = DiscountListing(
        project=request.project,
        statuses=frozenset(request.status),
        subscription=request.subscription,
        customer=request.customer,
        voucher_id=request.voucher,
    )
    return page_answer(
        request,
        prefix="dis",
        item=discount_answer,
        older=lambda than, limit: older_discounts(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_discounts(session, listing=listing, than=than, limit=limit),
    )


def end_discount(session: Session, request: EndDiscount, *, delivery: str | None = None) -> Answer:
    """This function will end a discount, or leave it as it is where it was ended before.

    It locks the discount's subscription first, as whoever completes a discount does. Raises NotFound where there
    is no such discount.
    """
    found = find_discounts(session, project=request.project, ids=[request.discount])
    if not found:
        raise NotFound("discount")
    (row,) = found
    lock_subscriptions(session, keys=[(row.project, row.subscription)])
    return answer_once(
        session,
        request,
        task=END,
        delivery=delivery,
        conflict=lambda: conflict_answer("discount", project=request.project, request_id=request.request_id),
        work=lambda: _end_one(session, request),
    )


def _end_one(session: Session, request: EndDiscount) -> Answer:
    key = (request.project, request.discount)
    (row,) = lock_discounts_by_id(session, keys=[key])
    if row.status != DiscountStatus.ENDED:
        end_discounts(session, keys=[key], at=read_clock(session))
    (after,) = find_discounts(session, project=request.project, ids=[request.discount])
    return discount_answer(after)


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
