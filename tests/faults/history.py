"""The record of a run: every message that was sent, and the answer, each with an instant of one monotonic clock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

Json = dict[str, Any]
# The kind of object, the project, and the caller's id.
Key = tuple[str, str, str]

# Bulk tasks, with the task of an item and the field that holds the items.
ITEMS = {
    "redemptions.redeem_many": ("redemptions.redeem", "requests"),
    "billing.apply_many": ("billing.apply", "invoices"),
}
# What a task decides, and the field with the caller's id. `redemptions.confirm` redeems under the id of the hold.
DECIDES = {
    "redemptions.redeem": ("redemption", "requestId"),
    "redemptions.confirm": ("redemption", "requestId"),
    "redemptions.reserve": ("hold", "requestId"),
    "redemptions.release": ("release", "requestId"),
    "billing.apply": ("invoice", "invoice"),
    "billing.reverse": ("reversal", "requestId"),
    "discounts.move": ("move", "requestId"),
    "discounts.extend": ("extension", "requestId"),
    "vouchers.create": ("voucher", "requestId"),
    "vouchers.update": ("update", "requestId"),
    "vouchers.retire": ("retirement", "voucher"),
}
# Answers that the contract does not store: the same request may get another answer later. So it is with every refusal
# of an invoice.
NOT_STORED = {"idempotency_conflict", "fully_reserved", "hold_released"}
SUCCESS = "SUCCESS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """A message that was sent once, and the outcome. `state` is Celery's, or None while there is no outcome."""

    task: str
    request: Json
    sent_at: float
    answered_at: float | None = None
    state: str | None = None
    # The answer, or the stored error of a task that failed.
    answer: Any = None
    # The database was made to refuse this request, so a failure is the true answer.
    is_poison: bool = False

    @property
    def key(self) -> Key:
        """The key of the request. Two askings with the same key must get the same answer."""
        kind, field = DECIDES.get(self.task, (self.task, "requestId"))
        return (kind, self.request.get("project", ""), self.request.get(field, ""))

    @property
    def reason(self) -> str | None:
        """The reason of a refusal, or None."""
        reason: str | None = self.answer.get("reason") if self.is_answered and self.answer else None
        return reason

    @property
    def lasting_answer(self) -> Any:
        """The answer without the field that a later reversal changes."""
        is_invoice = self.key[0] == "invoice" and isinstance(self.answer, dict)
        return {**self.answer, "reversed": None} if is_invoice else self.answer

    @property
    def is_answered(self) -> bool:
        """Whether the task has succeeded, which a refusal does too."""
        return self.state == SUCCESS

    @property
    def is_final(self) -> bool:
        """Whether this is the answer that every repetition of the request must get."""
        is_refused_invoice = self.key[0] == "invoice" and self.reason is not None
        return self.is_answered and self.reason not in NOT_STORED and not is_refused_invoice


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A final answer. The decision fell between the first asking and the first time that the answer was told."""

    key: Key
    request: Json
    sent_at: float
    told_at: float
    answer: Json
    # The instant of the decision by the database's clock, if the answer tells it.
    decided_at: datetime | None

    @property
    def voucher(self) -> str | None:
        """The id of the voucher, or None if there is no such voucher."""
        voucher: str | None = self.answer.get("voucher")
        return voucher

    @property
    def reason(self) -> str | None:
        """The reason of a refusal, or None."""
        reason: str | None = self.answer.get("reason")
        return reason


class History:
    """All askings of a run. The items of bulk tasks count as askings of their own."""

    def __init__(self, askings: Iterable[Asking], *, is_clock_trusted: bool = True) -> None:
        """`is_clock_trusted` is false if a clock was set during the run. Then only the recorder's instants count."""
        self.askings = sorted((item for each in askings for item in items_of(each)), key=lambda each: each.sent_at)
        self.is_clock_trusted = is_clock_trusted

    @cached_property
    def by_key(self) -> dict[Key, list[Asking]]:
        """The askings of each request, in the order in which they were sent."""
        grouped: defaultdict[Key, list[Asking]] = defaultdict(list)
        for each in self.askings:
            if each.task in DECIDES:
                grouped[each.key].append(each)
        return dict(grouped)

    @cached_property
    def decisions(self) -> dict[Key, Decision]:
        """The first final answer to each request."""
        made = (decision_of(key, askings) for key, askings in self.by_key.items())
        return {each.key: each for each in made if each is not None}

    def decided(self, kind: str) -> list[Decision]:
        """Return the decisions on a kind of request."""
        return self._decided.get(kind, [])

    @cached_property
    def _decided(self) -> dict[str, list[Decision]]:
        grouped: defaultdict[str, list[Decision]] = defaultdict(list)
        for each in self.decisions.values():
            grouped[each.key[0]].append(each)
        return dict(grouped)

    def accepted(self, voucher: str | None) -> list[Decision]:
        """Return the accepted redemptions of a voucher."""
        return self.accepted_by_voucher.get(voucher, [])

    @cached_property
    def accepted_by_voucher(self) -> dict[str | None, list[Decision]]:
        """The accepted redemptions of each voucher."""
        grouped: defaultdict[str | None, list[Decision]] = defaultdict(list)
        for each in self.decided("redemption"):
            if each.reason is None:
                grouped[each.voucher].append(each)
        return dict(grouped)


def items_of(asking: Asking) -> Iterator[Asking]:
    """Yield an asking, or an asking for each item of a bulk task."""
    if asking.task not in ITEMS:
        yield asking
        return
    task, field = ITEMS[asking.task]
    requests = asking.request[field]
    answers = asking.answer["items"] if asking.is_answered else [asking.answer] * len(requests)
    for request, answer in zip(requests, answers, strict=True):
        yield replace(asking, task=task, request=request, answer=answer)


def decision_of(key: Key, askings: list[Asking]) -> Decision | None:
    """Return the answer that was told first, or None if no final answer was told."""
    told = [(each.answered_at, each) for each in askings if each.is_final and each.answered_at is not None]
    if not told:
        return None
    told_at, first = min(told, key=lambda each: each[0])
    answer = first.answer or {}
    decided_at = answer.get("decidedAt")
    return Decision(
        key=key,
        request=first.request,
        sent_at=askings[0].sent_at,
        told_at=told_at,
        answer=answer,
        decided_at=decided_at and datetime.fromisoformat(decided_at),
    )
