"""Redeeming vouchers: a batch of requests, one transaction, the same number of statements for any size."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from domain.eligibility import Candidate, Purchase, Refusal, Standing, decisive_instant, judge
from models.base import new_id, read_clock
from models.discount import add_discounts, complete, find_running
from models.redemption import add_redemptions, count_by_customer, find_redemptions
from models.subscription import lock_subscriptions
from models.voucher import candidate_of, count_redemptions, find_by_code, lock_vouchers
from tasks.answers import instant, redemption_answer
from tasks.messages import Redeem, RedeemMany, RedemptionReference
from tasks.wire import Answer, NotFound, answer_each, contract_task
from worker.db import run_in_transaction, transaction
from worker.settings import settings

VoucherKey = tuple[str, UUID]
SubscriptionKey = tuple[str, str]


@contract_task("redemptions.redeem", message=Redeem)
def redeem(request: Redeem) -> Answer:
    """This task will decide one request."""
    return run_in_transaction(lambda session: redeem_all(session, [request]))[0]


@contract_task("redemptions.redeem_many", message=RedeemMany)
def redeem_many(request: RedeemMany) -> Answer:
    """This task will decide up to 1,000 requests, in the order sent."""
    return answer_each(
        request.requests,
        message=Redeem,
        decide=lambda requests: run_in_transaction(lambda session: redeem_all(session, requests)),
    )


@contract_task("redemptions.retrieve", message=RedemptionReference)
def retrieve(request: RedemptionReference) -> Answer:
    """This task will answer what was decided for a request id."""
    key = (request.project, request.request_id)
    with transaction() as session:
        stored = find_redemptions(session, keys=[key]).get(key)
    if stored is None:
        raise NotFound("redemption")
    return redemption_answer(stored)


def redeem_all(session: Session, requests: Sequence[Redeem]) -> list[Answer]:
    """This function will decide the requests in their order and answer each of them.

    It locks first (vouchers by id, then subscriptions), looks afterwards, decides in memory, and writes once.
    A request id that was decided before is answered as then. A unique violation means that another batch
    decided one of the ids at the same moment: run the batch again in a new transaction.
    """
    batch = _Batch.locked(session, requests)
    answers = [batch.decide(request) for request in requests]
    batch.write(session)
    return answers


class _Batch:
    """What the locked rows said, and what this batch has decided on top of it."""

    def __init__(self, *, decided_at: datetime, grace: timedelta) -> None:
        self.decided_at = decided_at
        self.grace = grace
        self.vouchers: dict[VoucherKey, Row[Any]] = {}
        self.candidates: dict[VoucherKey, Candidate] = {}
        self.by_code: dict[tuple[str, str], UUID] = {}
        self.answered: dict[tuple[str, str], tuple[bytes, Answer]] = {}
        self.by_customer: Counter[tuple[str, UUID, str]] = Counter()
        self.running: defaultdict[SubscriptionKey, set[UUID]] = defaultdict(set)
        self.over: list[VoucherKey] = []
        self.granted: Counter[VoucherKey] = Counter()
        self.redemptions: list[dict[str, Any]] = []
        self.discounts: list[dict[str, Any]] = []

    @classmethod
    def locked(cls, session: Session, requests: Sequence[Redeem]) -> "_Batch":
        """This method will lock what the requests concern, and read all that their decisions need."""
        by_code = find_by_code(session, codes=[(each.project, each.code.lower()) for each in requests if each.code])
        keys = [key for each in requests if (key := _voucher_key(each, by_code)) is not None]
        vouchers = lock_vouchers(session, keys=keys)
        subscriptions = [(each.project, each.subscription) for each in requests]
        lock_subscriptions(session, keys=subscriptions)
        stored = find_redemptions(session, keys=[(each.project, each.request_id) for each in requests])
        grace = timedelta(seconds=settings().requested_at_grace_seconds)
        batch = cls(decided_at=read_clock(session), grace=grace)
        batch.by_code = by_code
        batch.vouchers = vouchers
        batch.candidates = {key: candidate_of(row) for key, row in vouchers.items()}
        batch.answered = {key: (row.fingerprint, redemption_answer(row)) for key, row in stored.items()}
        batch.by_customer.update(count_by_customer(session, keys=batch.limited_customers(requests)))
        batch.note_running(find_running(session, subscriptions=subscriptions))
        return batch

    def limited_customers(self, requests: Sequence[Redeem]) -> list[tuple[str, UUID, str]]:
        """This method will name the customers whose earlier redemptions matter to a limit."""
        keyed = ((each, _voucher_key(each, self.by_code)) for each in requests)
        return [
            (*key, each.customer)
            for each, key in keyed
            if key in self.vouchers and self.vouchers[key].maximum_redemptions_per_customer is not None
        ]

    def note_running(self, discounts: Sequence[Row[Any]]) -> None:
        """This method will tell the discounts that run from those that are over but were not swept yet."""
        for row in discounts:
            if row.ends_on is not None and row.ends_on <= self.decided_at.date():
                self.over.append((row.project, row.id))
            else:
                self.running[row.project, row.subscription].add(row.voucher_id)

    def decide(self, request: Redeem) -> Answer:
        """This method will answer one request, from what was stored for its id or by the rules."""
        id_, fingerprint = (request.project, request.request_id), request.fingerprint()
        if id_ in self.answered:
            known, answer = self.answered[id_]
            return answer if known == fingerprint else _conflict(request, decided_at=self.decided_at)
        answer = self.judge(request, fingerprint=fingerprint)
        self.answered[id_] = (fingerprint, answer)
        return answer

    def judge(self, request: Redeem, *, fingerprint: bytes) -> Answer:
        """This method will decide a new request and note what has to be written."""
        key = _voucher_key(request, self.by_code)
        key = key if key in self.vouchers else None
        effective_at = decisive_instant(decided_at=self.decided_at, requested_at=request.requested_at, grace=self.grace)
        refusal = judge(
            None if key is None else self.candidates[key],
            purchase=_purchase_of(request),
            standing=self.standing(request, key=key),
            effective_at=effective_at,
        )
        number = None if key is None or refusal else self.grant(request, key=key)
        row = {
            "project": request.project,
            "id": new_id(),
            "request_id": request.request_id,
            "fingerprint": fingerprint,
            "voucher_id": None if key is None else key[1],
            "code": request.code if key is None else self.vouchers[key].code,
            "customer": request.customer,
            "subscription": request.subscription,
            "reason": None if refusal is None else refusal.value,
            "redemption_number": number,
            "effective_at": effective_at,
            "decided_at": self.decided_at,
        }
        self.redemptions.append(row)
        discount_id = None if refusal else self.add_discount(request, redemption=row)
        return redemption_answer(SimpleNamespace(**row, discount_id=discount_id))

    def standing(self, request: Redeem, *, key: VoucherKey | None) -> Standing:
        """This method will return what the request's customer and subscription hold, this batch included."""
        running = self.running[request.project, request.subscription]
        return Standing(
            redemptions_by_customer=0 if key is None else self.by_customer[(*key, request.customer)],
            voucher_is_running=key is not None and key[1] in running,
            running_discounts=len(running),
        )

    def grant(self, request: Redeem, *, key: VoucherKey) -> int:
        """This method will count one more redemption of the voucher and return its number."""
        number = self.candidates[key].redemptions + 1
        self.candidates[key] = replace(self.candidates[key], redemptions=number)
        self.granted[key] += 1
        self.by_customer[(*key, request.customer)] += 1
        self.running[request.project, request.subscription].add(key[1])
        return number

    def add_discount(self, request: Redeem, *, redemption: dict[str, Any]) -> UUID:
        """This method will note the discount that an accepted request gets, and return its id."""
        requested_on = (request.requested_at or self.decided_at.astimezone(UTC)).date()
        discount = {
            "project": request.project,
            "id": new_id(),
            "redemption_id": redemption["id"],
            "voucher_id": redemption["voucher_id"],
            "customer": request.customer,
            "subscription": request.subscription,
            "created_at": self.decided_at,
            "starts_on": request.starts_on or requested_on,
        }
        self.discounts.append(discount)
        return discount["id"]

    def write(self, session: Session) -> None:
        """This method will write what was decided: one statement for each table, one update for each voucher."""
        complete(session, keys=self.over)
        add_redemptions(session, rows=self.redemptions)
        add_discounts(session, rows=self.discounts)
        count_redemptions(session, granted=self.granted, decided_at=self.decided_at)


def _voucher_key(request: Redeem, by_code: dict[tuple[str, str], UUID]) -> VoucherKey | None:
    if request.voucher is not None:
        return request.project, request.voucher
    id_ = by_code.get((request.project, (request.code or "").lower()))
    return None if id_ is None else (request.project, id_)


def _purchase_of(request: Redeem) -> Purchase:
    return Purchase(
        products=frozenset(request.products or ()), currency=request.currency, subtotal_minor=request.subtotal
    )


def _conflict(request: Redeem, *, decided_at: datetime) -> Answer:
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
        "decidedAt": instant(decided_at),
    }
