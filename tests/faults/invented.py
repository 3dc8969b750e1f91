"""An invented history without a fault, for faults to be planted into."""

from dataclasses import replace
from typing import Any

from tests.faults.history import SUCCESS, Asking, Json

PROJECT = "gigs"
LIMITED, UNLIMITED, ONCE = "vou_limited", "vou_unlimited", "vou_once"
MAXIMUM = 3


class Invented:
    """Askings, each sent when the one before had been answered, and named for a fault to find it."""

    def __init__(self) -> None:
        self.askings: dict[str, Asking] = {}
        self._now = 0.0
        self._create(LIMITED, maximum=MAXIMUM)
        self._create(UNLIMITED)
        self._create(ONCE, recurrence="once", budget=1_000)
        for number in range(1, MAXIMUM + 1):
            self.redeem(f"r{number}", voucher=LIMITED, number=number)
        self.redeem("full", voucher=LIMITED, reason="max_redemptions_reached")
        self.redeem("again", voucher=UNLIMITED, number=1, subscription="sub_1")
        self.ask("applied", "billing.apply", **invoice_answered("inv_1", voucher=UNLIMITED, amount=800))
        self.redeem("once", voucher=ONCE, number=1, subscription="sub_2")
        for number, amount in ((2, 900), (3, 0)):
            answered = invoice_answered(f"inv_{number}", voucher=ONCE, amount=amount, subscription="sub_2")
            self.ask(f"applied{number}", "billing.apply", **answered)
        self.ask("voided", "billing.reverse", **reversal_answered("v1", invoice="inv_1", amount=800))
        self.repeat("applied", reversed={"kind": "voided", "at": "2026-01-01T00:01:00Z"})
        self.hold("held", voucher=UNLIMITED)
        self.redeem("confirmed", voucher=UNLIMITED, number=2, id="held", task="redemptions.confirm")
        self.hold("let_go", voucher=UNLIMITED)
        self.ask("released", "redemptions.release", {"requestId": "let_go"}, {"status": "released"})
        self.repeat("r1")
        self.repeat("full")

    def ask(self, name: str, task: str, request: Json, answer: Json) -> None:
        """Add an asking that is answered a second later."""
        self.askings[name] = Asking(
            task=task,
            request={"project": PROJECT, **request},
            sent_at=self._now,
            answered_at=self._now + 1,
            state=SUCCESS,
            answer={"project": PROJECT, "outcome": "accepted", "reason": None, **answer},
        )
        self._now += 2

    def repeat(self, name: str, **fields: Any) -> None:
        """Ask once more, with the same answer except for those fields."""
        known = self.askings[name]
        self.askings[f"{name} repeated"] = replace(
            known, sent_at=self._now, answered_at=self._now + 1, answer={**known.answer, **fields}
        )
        self._now += 2

    def change(self, name: str, **fields: Any) -> None:
        """Plant a fault into an asking. Fields of the answer are merged into it."""
        known = self.askings[name]
        answer = fields.pop("answer", known.answer)
        if isinstance(answer, dict) and isinstance(known.answer, dict):
            answer = {**known.answer, **answer}
        self.askings[name] = replace(known, answer=answer, **fields)

    def redeem(
        self,
        name: str,
        *,
        voucher: str,
        number: int | None = None,
        reason: str | None = None,
        task: str = "redemptions.redeem",
        id: str | None = None,  # noqa: A002 - the request's id
        **fields: Any,
    ) -> None:
        """Add a redemption of a new customer and subscription."""
        own = {"customer": f"cus_{name}", "subscription": f"sub_{name}", **fields}
        answer = {
            "id": f"red_{name}",
            "outcome": "refused" if reason else "accepted",
            "reason": reason,
            "voucher": voucher,
            "redemptionNumber": number,
            "discount": None if reason else f"dis_{voucher}",
            "decidedAt": f"2026-01-01T00:{int(self._now) // 60:02}:{int(self._now) % 60:02}Z",
            **own,
        }
        self.ask(name, task, {"requestId": id or name, "voucher": voucher, **own}, answer)

    def hold(self, name: str, *, voucher: str) -> None:
        """Add a hold of a new customer and subscription."""
        self.redeem(name, voucher=voucher, task="redemptions.reserve")

    def _create(
        self, voucher: str, *, maximum: int | None = None, recurrence: str = "forever", budget: int | None = None
    ) -> None:
        self.ask(
            voucher,
            "vouchers.create",
            {"requestId": voucher},
            {
                "id": voucher,
                "code": None,
                "restrictions": {"maximumRedemptions": maximum, "maximumRedemptionsPerCustomer": None},
                "recurrence": {"type": recurrence},
                "priceDiscountPercentage": 10,
                "budget": budget and {"amount": budget, "currency": "USD"},
            },
        )


def invoice_answered(invoice: str, *, voucher: str, amount: int, subscription: str = "sub_1") -> dict[str, Json]:
    """Return an invoice and its answer."""
    discounts = [{"discount": f"dis_{voucher}", "voucher": voucher, "amount": amount}] if amount else []
    own = {"subscription": subscription, "currency": "USD"}
    answer = {**own, "discountTotal": amount, "discounts": discounts, "skipped": [], "reversed": None}
    return {"request": {"invoice": invoice}, "answer": answer}


def reversal_answered(request_id: str, *, invoice: str, amount: int) -> dict[str, Json]:
    """Return the voiding of an invoice, and its answer."""
    discounts = [{"voucher": UNLIMITED, "amount": amount}]
    return {
        "request": {"requestId": request_id, "invoice": invoice, "kind": "voided"},
        "answer": {"id": f"rev_{request_id}", "currency": "USD", "discountTotal": amount, "discounts": discounts},
    }
