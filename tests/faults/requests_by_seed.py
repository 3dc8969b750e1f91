"""The requests of a run, drawn by a seed: redemptions of vouchers with few places, holds, and all that follows."""

import random
from collections import deque
from collections.abc import Callable

from tests.faults.bills_by_seed import Bills
from tests.faults.changes_by_seed import Changes
from tests.faults.history import Json
from tests.faults.request import PROJECT, Request
from tests.faults.vouchers_by_seed import KINDS, new_voucher

POISON = "cus_poison"
POISON_SHARE = 0.01
# A voucher is replaced by a new one after so many requests.
REQUESTS_PER_VOUCHER = 60
WAITING_SHARE, REPEATED_SHARE, OVERTAKEN_SHARE = 0.6, 0.1, 0.2
# Few enough for some requests to be repeated while they are in flight.
REPEATED_FROM = 80
BULK_MAX = 20
# Refusals that pass: the credited invoice is on its way, or a hold keeps the subscription. The same request is sent
# again, but not for ever.
PASSING = {"invoice_not_found", "fully_reserved"}
SENT_AGAIN_SHARE = 0.8


class Requests:
    """Draws requests. Answers bring about others: the confirmation of a hold, the invoice of a discount.

    What was answered may be asked again later, in another order.
    """

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.is_poisoning = False
        self.vouchers: deque[Json] = deque(maxlen=12)
        self.waiting: deque[Request] = deque()
        self.asked: deque[Request] = deque(maxlen=REPEATED_FROM)
        self.bills = Bills(source, next_id=self._next_id)
        self.changes = Changes(source, next_id=self._next_id)
        self._number = 0
        self._drawn = 0

    def draw(self) -> Request:
        """Return the next request: one that waits, a repetition, or a new one."""
        self._drawn += 1
        if self._drawn % REQUESTS_PER_VOUCHER < len(KINDS) and self._drawn // REQUESTS_PER_VOUCHER < 1:
            return self._new_voucher(KINDS[self._drawn % len(KINDS)])
        if self._drawn % REQUESTS_PER_VOUCHER == 0 or not self.vouchers:
            return self._new_voucher(self.source.choice(KINDS))
        if self.asked and self.source.random() < REPEATED_SHARE:
            return self.source.choice(self.asked)
        if self.waiting and self.source.random() < WAITING_SHARE:
            return self._remembered(self._waited())
        return self._remembered(self._new())

    def note(self, request: Request, answer: Json) -> None:
        """Take an answer into account."""
        follow = FOLLOWING.get(request.task)
        if follow is None:
            return
        if answer.get("outcome") != "refused":
            follow(self, request, answer)
        elif answer["reason"] in PASSING and request.task in SENT_AGAIN and self.source.random() < SENT_AGAIN_SHARE:
            self.waiting.append(request)

    def _waited(self) -> Request:
        """Return the request that has waited longest, or at times the one after it."""
        if len(self.waiting) > 1 and self.source.random() < OVERTAKEN_SHARE:
            first, second = self.waiting.popleft(), self.waiting.popleft()
            self.waiting.appendleft(first)
            return second
        return self.waiting.popleft()

    def _remembered(self, request: Request) -> Request:
        self.asked.append(request)
        return request

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
        return self._redemption_of(named, customer=customer, subscription=self._next_id("sub"))

    def _redemption_of(self, named: Json, *, customer: str, subscription: str) -> Json:
        own = {"customer": customer, "subscription": subscription, "currency": "USD", "startsOn": "2027-01-01"}
        return {"project": PROJECT, "requestId": self._next_id("request"), **named, **own}

    def _new_voucher(self, kind: Callable[[random.Random], Json]) -> Request:
        return new_voucher(kind, self.source, request_id=self._next_id("voucher"))

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
            self.changes.know_voucher(answer)

    def _follow_redemption(self, _request: Request, answer: Json) -> None:
        self.waiting.extend(self.bills.of_redemption(answer))
        self.waiting.extend(self.changes.of_redemption(answer))

    def _follow_hold(self, _request: Request, answer: Json) -> None:
        self.waiting.extend(self.changes.of_hold(answer))
        named = {"project": PROJECT, "requestId": answer["requestId"]}
        task = "redemptions.confirm" if self.source.random() < 0.7 else "redemptions.release"
        self.waiting.append(Request(task, named))

    def _follow_invoice(self, request: Request, answer: Json) -> None:
        self.waiting.extend(self.bills.of_invoice(request.body, answer))

    def _follow_move(self, request: Request, answer: Json) -> None:
        """Bill and redeem on the new subscription and on the old one, where the voucher can be redeemed again."""
        self.waiting.extend(self.changes.back(request.body, answer))
        left = [each["from"]["subscription"] for each in answer["history"] if each["kind"] == "moved"][:1]
        for subscription in (answer["subscription"], *left):
            if self.source.random() < 1 / 2:
                self.waiting.append(self.bills.invoice(answer, subscription=subscription))
            if self.source.random() < 1 / 3:
                named = {"voucher": answer["voucher"]}
                body = self._redemption_of(named, customer=answer["customer"], subscription=subscription)
                self.waiting.append(Request("redemptions.redeem", body))


FOLLOWING: dict[str, Callable[[Requests, Request, Json], None]] = {
    "vouchers.create": Requests._follow_creation,  # noqa: SLF001 - the class's own table
    "redemptions.redeem": Requests._follow_redemption,  # noqa: SLF001 - the same
    "redemptions.confirm": Requests._follow_redemption,  # noqa: SLF001 - the same
    "redemptions.reserve": Requests._follow_hold,  # noqa: SLF001 - the same
    "billing.apply": Requests._follow_invoice,  # noqa: SLF001 - the same
    "discounts.move": Requests._follow_move,  # noqa: SLF001 - the same
}
SENT_AGAIN = {"billing.apply", "discounts.move"}
