"""The requests of a run, drawn by a seed: redemptions of vouchers with few places, holds, invoices, and updates."""

import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.history import Json

PROJECT = "faults"
POISON = "cus_poison"
POISON_SHARE = 0.01
# A voucher is replaced by a new one after so many requests.
REQUESTS_PER_VOUCHER = 60
REPEATED_SHARE = 0.1
BULK_MAX = 20


class Request(NamedTuple):
    """A task and its request."""

    task: str
    body: Json
    is_poison: bool = False


class Requests:
    """Draws requests. Answers bring about others: the confirmation of a hold, the invoice of a discount."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.is_poisoning = False
        self.vouchers: deque[Json] = deque(maxlen=12)
        self.waiting: deque[Request] = deque()
        self.asked: deque[Request] = deque(maxlen=200)
        self._number = 0
        self._drawn = 0

    def draw(self) -> Request:
        """Return the next request: one that waits, a repetition, or a new one."""
        self._drawn += 1
        if self._drawn % REQUESTS_PER_VOUCHER < len(KINDS) and self._drawn // REQUESTS_PER_VOUCHER < 1:
            return self._new_voucher(KINDS[self._drawn % len(KINDS)])
        if self._drawn % REQUESTS_PER_VOUCHER == 0 or not self.vouchers:
            return self._new_voucher(self.source.choice(KINDS))
        if self.waiting and self.source.random() < 1 / 2:
            return self.waiting.popleft()
        if self.asked and self.source.random() < REPEATED_SHARE:
            return self.source.choice(self.asked)
        request = self._new()
        self.asked.append(request)
        return request

    def note(self, request: Request, answer: Json) -> None:
        """Take an answer into account."""
        follow = FOLLOWING.get(request.task)
        if follow is not None and answer.get("outcome", "accepted") != "refused":
            follow(self, request, answer)

    def _next_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._number}"

    def _new(self) -> Request:
        draw = self.source.random()
        if draw < 0.03:
            return self._update()
        if draw < 0.06:
            return Request("vouchers.list", {"project": PROJECT, "limit": 5})
        if draw < 0.12:
            bodies = [self._redemption() for _ in range(self.source.randint(1, BULK_MAX))]
            return Request("redemptions.redeem_many", {"requests": bodies})
        if draw < 0.22:
            return Request("redemptions.reserve", {**self._redemption(), "ttl": 3_600})
        body = self._redemption()
        if self.is_poisoning and self.source.random() < POISON_SHARE:
            return Request("redemptions.redeem", {**body, "customer": POISON}, is_poison=True)
        return Request("redemptions.redeem", body)

    def _redemption(self) -> Json:
        voucher = self.source.choice(self.vouchers)
        named = {"code": voucher["code"]} if voucher["code"] else {"voucher": voucher["id"]}
        per_customer = voucher["restrictions"]["maximumRedemptionsPerCustomer"]
        customer = f"cus_few_{self.source.randrange(5)}" if per_customer else self._next_id("cus")
        return {
            "project": PROJECT,
            "requestId": self._next_id("request"),
            **named,
            "customer": customer,
            "subscription": self._next_id("sub"),
            "startsOn": "2027-01-01",
        }

    def _new_voucher(self, fields: Callable[[random.Random], Json]) -> Request:
        request_id = self._next_id("voucher")
        drawn = fields(self.source)
        code = {"code": request_id.upper()} if drawn.pop("has_code", False) else {}
        body = {"project": PROJECT, "requestId": request_id, "name": request_id, "priceDiscountPercentage": 10}
        return Request("vouchers.create", {**body, "recurrence": {"type": "forever"}, **code, **drawn})

    def _update(self) -> Request:
        voucher = self.source.choice(self.vouchers)
        maximum = voucher["restrictions"]["maximumRedemptions"]
        if maximum is None or voucher.get("is_updated"):
            return Request("vouchers.retrieve", {"project": PROJECT, "voucher": voucher["id"]})
        # At most once for each voucher: the history of two updates at the same time would tell less.
        voucher["is_updated"] = True
        restrictions = {"maximumRedemptions": max(1, maximum + self.source.randint(-5, 10))}
        body = {"project": PROJECT, "voucher": voucher["id"], "requestId": self._next_id("update")}
        return Request("vouchers.update", {**body, "restrictions": restrictions})

    def _follow_creation(self, _request: Request, answer: Json) -> None:
        if all(each["id"] != answer["id"] for each in self.vouchers):
            self.vouchers.append(dict(answer))

    def _follow_redemption(self, _request: Request, answer: Json) -> None:
        if self.source.random() < 1 / 3:
            for _ in range(self.source.randint(1, 2)):
                self.waiting.append(self._invoice(answer))

    def _follow_hold(self, _request: Request, answer: Json) -> None:
        named = {"project": PROJECT, "requestId": answer["requestId"]}
        task = "redemptions.confirm" if self.source.random() < 0.7 else "redemptions.release"
        self.waiting.append(Request(task, named))

    def _follow_invoice(self, request: Request, answer: Json) -> None:
        if answer["discountTotal"] and self.source.random() < 0.2:
            for kind in self.source.sample(["voided", "payment_failed"], k=self.source.randint(1, 2)):
                body = {"project": PROJECT, "invoice": request.body["invoice"], "requestId": self._next_id("reversal")}
                self.waiting.append(Request("billing.reverse", {**body, "kind": kind}))

    def _invoice(self, redemption: Json) -> Request:
        own = {"subscription": redemption["subscription"], "customer": redemption["customer"], "currency": "USD"}
        period = {"start": "2027-02-01", "end": "2027-03-01"}
        lines = [{"id": "base", "amount": self.source.randint(1, 9_999)}]
        body = {"project": PROJECT, "invoice": self._next_id("invoice"), **own, "period": period, "lines": lines}
        return Request("billing.apply", body)


FOLLOWING: dict[str, Callable[[Requests, Request, Json], None]] = {
    "vouchers.create": Requests._follow_creation,  # noqa: SLF001 - the class's own table
    "redemptions.redeem": Requests._follow_redemption,  # noqa: SLF001 - the same
    "redemptions.confirm": Requests._follow_redemption,  # noqa: SLF001 - the same
    "redemptions.reserve": Requests._follow_hold,  # noqa: SLF001 - the same
    "billing.apply": Requests._follow_invoice,  # noqa: SLF001 - the same
}

KINDS: tuple[Callable[[random.Random], Json], ...] = (
    lambda source: {"restrictions": {"maximumRedemptions": source.randint(1, 40)}},
    lambda source: {"restrictions": {"maximumRedemptions": source.randint(20, 100)}, "has_code": True},
    lambda _source: {},
    lambda _source: {"recurrence": {"type": "once"}},
    lambda source: {"budget": {"amount": source.randint(500, 5_000), "currency": "USD"}},
    lambda source: {"restrictions": {"maximumRedemptionsPerCustomer": source.randint(1, 3)}},
)
