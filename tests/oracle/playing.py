"""Scenarios that are sent to the program and to the oracle, with every difference between their answers."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import count
from random import Random
from typing import Any

from tests.oracle import draw_invoices, draw_vouchers
from tests.oracle.discounts import Voucher, amounts_of
from tests.oracle.drawn import Drawn
from tests.oracle.oracle import Oracle
from tests.oracle.reversing import reverse
from tests.support.tasks import task_named

STEPS = 30


class Disagreement(AssertionError):
    """The program answered something else than the oracle."""


class Scenario:
    """A project of its own, drawn by a seed and a number."""

    def __init__(self, seed: int, number: int) -> None:
        self.name = f"seed {seed}, scenario {number}"
        random = Random(f"{seed}-{number}")  # noqa: S311 - no secret, and must be repeatable
        self.drawn = Drawn(random, f"oracle-{seed}-{number}")
        self.oracle = Oracle()
        self.pending: list[dict[str, Any]] = []
        self.redemptions = 0

    def play(self) -> int:
        """Send everything, and return the number of different invoices."""
        for _ in range(self.drawn.random.randint(1, 4)):
            self.create()
        for _ in range(self.drawn.random.randint(3, 6)):
            self.import_() if self.drawn.is_so(0.3) else self.redeem()
        for _ in range(STEPS):
            self.step()
        self.send_invoices()
        self.compare_vouchers()
        return len(self.drawn.invoices)

    def step(self) -> None:
        """Draw an invoice, which waits for others, or send all that wait and then draw something else."""
        kind = self.drawn.random.random()
        if kind < 0.72:
            self.pending.append(draw_invoices.invoice(self.drawn, self.oracle.invoices))
            if self.drawn.is_so(0.4):
                self.send_invoices()
            return
        self.send_invoices()
        if kind < 0.88 and self.oracle.invoices:
            self.reverse()
        elif kind < 0.95:
            self.redeem()
        else:
            self.drawn.random.choice([self.create, self.update, self.update, self.end, self.sweep, self.import_])()

    def call(self, task: str, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the program."""
        answer: dict[str, Any] = task_named(task)(request=request)
        return answer

    def create(self) -> None:
        """Create a voucher."""
        body = draw_vouchers.terms(self.drawn)
        id_ = self.call("vouchers.create", body)["id"]
        self.oracle.vouchers[id_] = Voucher(id_, body)

    def update(self) -> None:
        """Change the products or the budget of a voucher, whose discounts keep their products."""
        voucher = self.drawn.random.choice(list(self.oracle.vouchers.values()))
        body = draw_vouchers.update(self.drawn, voucher.id, voucher.spent())
        self.call("vouchers.update", body)
        if "budget" in body:
            voucher.budget = amounts_of(body["budget"])
        else:
            voucher.products = body["restrictions"]["products"]
            voucher.excluded = body["restrictions"]["excludedProducts"]

    def sweep(self) -> None:
        """Sweep, which changes no answer."""
        self.call("expiry.sweep", {})

    def redeem(self) -> None:
        """Redeem a voucher on a subscription."""
        self.redemptions += 1
        voucher = self.drawn.random.choice(list(self.oracle.vouchers.values()))
        body = draw_vouchers.redemption(self.drawn, voucher, self.redemptions)
        at = self.requested(body)
        answer = self.call("redemptions.redeem", body)
        reason = self.oracle.redemption_refusal(body["subscription"], voucher.id, day_of(answer["decidedAt"]))
        self.compare(body, {"reason": answer["reason"]}, {"reason": reason})
        if answer["discount"]:
            self.oracle.grant(answer["discount"], body, at or datetime.fromisoformat(answer["decidedAt"]))

    def import_(self) -> None:
        """Import a discount that ran in another system."""
        self.redemptions += 1
        voucher = self.drawn.random.choice(list(self.oracle.vouchers.values()))
        body = draw_vouchers.begun(self.drawn, voucher, self.redemptions)
        today = datetime.now(UTC).date()
        reason = self.oracle.redemption_refusal(body["subscription"], voucher.id, today)
        answer = self.call("discounts.import", body)
        if answer["reason"] is not None:
            self.compare(body, {"reason": answer["reason"]}, {"reason": reason})
            return
        begun = self.oracle.begin(answer["discount"], body, today)
        # What is over runs on no subscription, so it may come beside another.
        expected: dict[str, Any] = {"reason": None if begun.status == "completed" else reason}
        end = begun.full_price_from()
        expected |= {"status": begun.status, "fullPriceFrom": end and end.isoformat()}
        self.compare(body, {name: answer[name] for name in expected}, expected)

    def requested(self, body: dict[str, Any]) -> datetime | None:
        """Add a `requestedAt` to some redemptions, and return it."""
        if not self.drawn.is_so(0.5):
            return None
        at = datetime.now(timezone(timedelta(hours=self.drawn.random.choice([14, -12, 0])))) - timedelta(seconds=1)
        body["requestedAt"] = at.isoformat()
        return at

    def send_invoices(self) -> None:
        """Send the waiting invoices in batches, and compare the answers."""
        while self.pending:
            size = self.drawn.random.randint(1, len(self.pending))
            batch, self.pending = self.pending[:size], self.pending[size:]
            for body, answer in zip(batch, self.answers(batch), strict=True):
                applied_at = answer.pop("appliedAt", None)
                today = day_of(applied_at) if applied_at else datetime.now(UTC).date()
                known = {**answer, "credits": [without_ids(each) for each in answer["credits"]]}
                self.compare(body, known, self.oracle.apply(body, today, applied_at))

    def answers(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the program's answers to invoices."""
        if len(batch) == 1 and self.drawn.is_so(0.5):
            return [self.call("billing.apply", batch[0])]
        items: list[dict[str, Any]] = self.call("billing.apply_many", {"invoices": batch})["items"]
        return items

    def reverse(self) -> None:
        """Reverse an invoice."""
        body = draw_invoices.reversal(self.drawn, self.oracle.invoices)
        answer = self.call("billing.reverse", body)
        expected = reverse(self.oracle, body, datetime.now(UTC).date(), answer["reversedAt"])
        known = {name: value for name, value in answer.items() if name in expected}
        self.compare(body, without_ids(known), expected)

    def end(self) -> None:
        """End a discount."""
        discounts = [each for those in self.oracle.subscriptions.values() for each in those]
        if discounts:
            ended = self.drawn.random.choice(discounts)
            self.call("discounts.end", {"project": self.drawn.project, "discount": ended.id})
            self.oracle.end(ended.id)

    def compare_vouchers(self) -> None:
        """Compare what each voucher has given, and its budget."""
        for each in self.oracle.vouchers.values():
            request = {"project": self.drawn.project, "voucher": each.id}
            answer = self.call("vouchers.retrieve", request)
            expected = {"given": each.given(), "spent": each.spent(), "left": each.unspent()}
            self.compare(request, {name: answer[name] for name in expected}, expected)

    def compare(self, request: dict[str, Any], answer: dict[str, Any], expected: dict[str, Any]) -> None:
        """Fail unless the answer is the expected one."""
        if answer != expected:
            different = {
                name: {"program": answer.get(name), "oracle": expected.get(name)}
                for name in answer | expected
                if answer.get(name) != expected.get(name)
            }
            raise Disagreement(f"{self.name}: {json.dumps(different, indent=1)}\n{json.dumps(request)}")


def without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a reversal or a credit without the ids of the ledger, which the database generates."""
    ids = {"usage", "reverses"}
    named = [{name: each[name] for name in each.keys() - ids} for each in answer["discounts"]]
    return {**answer, "discounts": named}


def day_of(instant: str) -> date:
    """Return the day of an instant, in UTC."""
    return datetime.fromisoformat(instant).astimezone(UTC).date()


def scenarios(seed: int) -> Iterator[Scenario]:
    """Yield the scenarios of a seed."""
    for number in count(1):
        yield Scenario(seed, number)
