"""The invoices of a run, drawn by a seed: of few billing cycles, with credits, refunds, and every other reversal."""

import random
from collections.abc import Callable, Iterator

from tests.faults.history import Json
from tests.faults.request import PROJECT, Request

CYCLES = tuple(
    {"start": f"2027-{month:02}-01", "end": f"2027-{month + 1:02}-01"} for month in (2, 3, 4)
)  # Few, so that a cycle has several invoices.
BILLED_SHARE = 1 / 3
# Of invoices with a discount.
GIVEN_BACK_SHARE, REFUNDED_SHARE, CREDITED_SHARE = 0.3, 0.25, 0.35
# Of invoices that credit others: otherwise few credits would be taken back.
CREDITING_GIVEN_BACK_SHARE = 0.4
# A credit that is sent before its invoice, and is refused until the invoice is answered.
TOO_EARLY_SHARE = 0.05
UNKNOWN_LINE_SHARE = 0.03
GIVING_BACK = ("voided", "payment_failed", "charged_back")


class Bills:
    """Draws invoices and what becomes of them."""

    def __init__(self, source: random.Random, *, next_id: Callable[[str], str]) -> None:
        self.source = source
        self._next_id = next_id

    def of_redemption(self, redemption: Json) -> Iterator[Request]:
        """Yield no invoices of the subscription, or a few. A credit may come before what it credits."""
        if self.source.random() < BILLED_SHARE:
            for _ in range(self.source.randint(1, 3)):
                invoice = self.invoice(redemption)
                if self.source.random() < TOO_EARLY_SHARE:
                    yield self._credit(invoice.body)
                yield invoice

    def of_invoice(self, invoice: Json, answer: Json) -> Iterator[Request]:
        """Yield credits, refunds and other reversals of an invoice, or nothing."""
        is_crediting = any("creditOf" in each for each in invoice["lines"])
        if not answer["discounts"] and not is_crediting:
            return
        can_be_returned = any(each["amount"] > 0 for each in invoice["lines"])
        if can_be_returned and self.source.random() < CREDITED_SHARE:
            yield from (self._credit(invoice) for _ in range(self.source.randint(1, 2)))
        if can_be_returned and self.source.random() < REFUNDED_SHARE:
            yield from (self._refund(invoice) for _ in range(self.source.randint(1, 2)))
        if self.source.random() < (CREDITING_GIVEN_BACK_SHARE if is_crediting else GIVEN_BACK_SHARE):
            for kind in self.source.sample(GIVING_BACK, k=self.source.randint(1, 2)):
                yield self._reversal(invoice, kind=kind)

    def invoice(self, own: Json, *, subscription: str | None = None, lines: list[Json] | None = None) -> Request:
        """Return an invoice of the subscription and the customer, for a whole cycle or a part of one."""
        cycle = self.source.choice(CYCLES)
        part = {"start": cycle["start"][:-2] + f"{self.source.randint(5, 25):02}", "end": cycle["end"]}
        times: Json = self.source.choice(
            [{"period": cycle}, {"period": part, "cycle": cycle}, {"cycle": cycle}, {"period": part}]
        )
        names = ["base", "seats"][: self.source.randint(1, 2)]
        body = {
            "project": PROJECT,
            "invoice": self._next_id("invoice"),
            "subscription": subscription or own["subscription"],
            "customer": own["customer"],
            "currency": "USD",
            **times,
            "lines": lines or [self._line(each) for each in names],
        }
        return Request("billing.apply", body)

    def _line(self, name: str) -> Json:
        return {"id": name, "amount": self.source.randint(1, 9_999), "product": f"prod_{name}"}

    def _credit(self, credited: Json) -> Request:
        """Return an invoice that credits lines of another, and may have a line of its own."""
        lines: list[Json] = []
        for number, (name, amount) in enumerate(self._parts(credited)):
            of = {"invoice": credited["invoice"], "line": name}
            if self.source.random() < UNKNOWN_LINE_SHARE:
                of["line"] = "unknown"
            lines.append({"id": f"credit_{number}", "amount": -amount, "creditOf": of})
        if self.source.random() < 1 / 2:
            lines.insert(self.source.randrange(2), {"id": "base", "amount": self.source.randint(1, 9_999)})
        return self.invoice(credited, lines=lines)

    def _refund(self, invoice: Json) -> Request:
        lines = [{"id": name, "amount": amount} for name, amount in self._parts(invoice)]
        return self._reversal(invoice, kind="refunded", lines=lines)

    def _parts(self, invoice: Json) -> list[tuple[str, int]]:
        """Return parts of some positive lines: often the whole or the half, so that parts add up or are too much."""
        lines = [each for each in invoice["lines"] if each["amount"] > 0]
        drawn = self.source.sample(lines, k=self.source.randint(1, len(lines)))
        return [(each["id"], self._part(each["amount"])) for each in drawn]

    def _part(self, amount: int) -> int:
        return self.source.choice([amount, amount // 2 or 1, amount - amount // 2, self.source.randint(1, amount)])

    def _reversal(self, invoice: Json, **fields: object) -> Request:
        own = {"project": PROJECT, "invoice": invoice["invoice"], "requestId": self._next_id("reversal")}
        return Request("billing.reverse", {**own, **fields})
