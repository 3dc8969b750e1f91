"""Guessing: a customer who has tried too many unknown codes has to wait, and nobody else is slowed down."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Self

from celery.utils.log import get_logger
from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from models.base import read_clock
from models.redemptions.failed_attempts import CustomerKey, count_attempts, find_attempts
from tasks.redemptions.look_up import Claim
from tasks.wire.answers import Answer
from tasks.wire.replay import CallerKey
from worker.database import transaction
from worker.logs.json_lines import with_fields
from worker.settings import settings

logger = get_logger(__name__)


class Attempts:
    """The unknown codes that the customers of a batch have tried, before it and in it."""

    def __init__(self, counts: dict[CustomerKey, int]) -> None:
        """Begin with what was counted before the batch."""
        self._counts = counts
        self._max = settings().unknown_codes_max

    @classmethod
    def read(cls, session: Session, claims: Iterable[Claim], *, now: datetime) -> Self:
        """Read how many unknown codes the customers have tried. Without codes, no statement is sent."""
        keys = {customer_of(each) for each in claims if each.request.code is not None}
        if not keys or not settings().unknown_codes_max:
            return cls({})
        return cls(find_attempts(session, keys=keys, since=now - window()))

    @classmethod
    def lock(
        cls, session: Session, claims: Sequence[Claim], *, is_decided: Callable[[CallerKey], bool], now: datetime
    ) -> Self:
        """Count the unknown codes of a batch, and lock the counts: two batches never allow a customer twice as many.

        A request that is decided already does not count again. Customers who have to wait are not locked, so that no
        flood of theirs delays others.
        """
        attempts = cls.read(session, claims, now=now)
        # By their ids: a request that is in the batch twice counts once.
        unknown = {each.key: customer_of(each) for each in claims if is_unknown(each) and not is_decided(each.key)}
        tried = Counter(key for key in unknown.values() if not attempts.must_wait(key))
        if tried and settings().unknown_codes_max:
            attempts._count(session, tried, now=now)  # noqa: SLF001 - the class's own
        return attempts

    def must_wait(self, customer: CustomerKey) -> bool:
        """Return whether a customer has tried too many unknown codes. Whoever names no customer never has."""
        _, name = customer
        return bool(name) and bool(self._max) and self._counts.get(customer, 0) >= self._max

    def refuses(self, claim: Claim) -> bool:
        """Return whether the code of a new request is not looked at. Otherwise, count it if it is unknown.

        Call this once for each new request, in the order of the decisions.
        """
        if claim.request.code is None:
            return False
        customer = customer_of(claim)
        if self.must_wait(customer):
            return True
        if is_unknown(claim):
            self._counts[customer] = self._counts.get(customer, 0) + 1
        return False

    def _count(self, session: Session, tried: Counter[CustomerKey], *, now: datetime) -> None:
        counted = _count_tried(session, tried, now=now)
        # The decisions of the batch add its own again, in their order.
        self._counts |= {key: number - tried[key] for key, number in counted.items()}


def customer_of(claim: Claim) -> CustomerKey:
    """Return the project and the customer of a claim."""
    return claim.request.project, claim.request.customer


def is_unknown(claim: Claim) -> bool:
    """Return whether a claim names a code that the project has not."""
    return claim.request.code is not None and claim.code is None


def count_unknown_codes(answers: Iterable[Answer], *, project: str, customer: str) -> None:
    """Count the unknown codes that were only looked at, in a transaction of its own."""
    tried = sum(each["reason"] == Refusal.VOUCHER_NOT_FOUND and each["code"] is not None for each in answers)
    if tried and settings().unknown_codes_max:
        with transaction() as session:
            _count_tried(session, Counter({(project, customer): tried}), now=read_clock(session))


def window() -> timedelta:
    """Return the time after the first unknown code of a customer for which they are counted together."""
    return timedelta(seconds=settings().unknown_codes_seconds)


def _count_tried(session: Session, tried: Counter[CustomerKey], *, now: datetime) -> dict[CustomerKey, int]:
    rows = [(*key, number) for key, number in tried.items()]
    counted = count_attempts(session, tried=rows, now=now, since=now - window())
    limit = settings().unknown_codes_max
    stopped = sum(number >= limit > number - tried[key] for key, number in counted.items())
    if stopped:
        logger.warning(
            "customers who have to wait, since they have tried %d unknown codes: %d",
            limit,
            stopped,
            extra=with_fields(event="too_many_attempts", customers=stopped),
        )
    return counted
