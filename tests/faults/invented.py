"""An invented history without a fault, for faults to be planted into."""

from dataclasses import replace
from typing import Any

from tests.faults.history import SUCCESS, Asking, Json
from tests.faults.invented_answers import (
    PROJECT,
    UNLIMITED,
    change_answered,
    credit_answered,
    invoice_answered,
    reversal_answered,
)

LIMITED, ONCE, REPEATED, FIXED, IN_ALL = "vou_limited", "vou_once", "vou_repeated", "vou_fixed", "vou_in_all"
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
        self.bill("applied", "inv_1", amount=800)
        self.redeem("once", voucher=ONCE, number=1, subscription="sub_2")
        for number, amount in ((2, 900), (3, 0)):
            self.bill(f"applied{number}", f"inv_{number}", voucher=ONCE, amount=amount, discount="once")
        self.reverse("voided", "inv_1", amount=800)
        self.repeat("applied", reversed={"kind": "voided", "at": "2026-01-01T00:01:00Z"})
        self.hold("held", voucher=UNLIMITED)
        self.redeem("confirmed", voucher=UNLIMITED, number=2, id="held", task="redemptions.confirm")
        self.hold("let_go", voucher=UNLIMITED)
        self.ask("released", "redemptions.release", {"requestId": "let_go"}, {"status": "released"})
        self.repeat("r1")
        self.repeat("full")
        self._change_discounts()
        self._credit_lines()
        self._use_up()

    def _change_discounts(self) -> None:
        """Extend a discount and move it, and redeem its voucher on both subscriptions."""
        self._create(REPEATED, months=3)
        self.redeem("repeated", voucher=REPEATED, number=1, subscription="sub_old")
        self.ask("extended", "discounts.extend", **change_answered("extended", months=1))
        self.ask("moved", "discounts.move", **change_answered("extended", "moved", subscription="sub_new"))
        self.redeem("there", voucher=REPEATED, reason="already_applied", subscription="sub_new")
        self.redeem("back", voucher=REPEATED, number=2, subscription="sub_old")
        refused = {"outcome": "refused", "reason": "already_applied", "retryable": False}
        request = {**change_answered("extended", "moved", "stayed", subscription="sub_old")["request"]}
        self.ask("stayed", "discounts.move", request, refused)

    def _credit_lines(self) -> None:
        """Credit a line, take the credit back, and then credit and refund all of it. Charge another invoice back."""
        self._create(FIXED, price=1_000)
        self.redeem("fixed", voucher=FIXED, number=1, subscription="sub_fixed")
        self.bill("billed", "inv_5", amount=500, discount="repeated", voucher=REPEATED, subscription="sub_new")
        self.credit("credited", "inv_6", share=250)
        self.repeat("billed", reversed={"kind": "credited", "at": "2026-01-01T00:02:00Z"})
        self.reverse("taken_back", "inv_6", kind="payment_failed", credits_of="credited")
        self.credit("credited2", "inv_7", share=100)
        self.reverse("refunded", "inv_5", kind="refunded", amount=400, discount="repeated", voucher=REPEATED)
        self.bill("charged", "inv_8", amount=1_000, discount="fixed", voucher=FIXED, subscription="sub_fixed")
        self.reverse("charged_back", "inv_8", kind="charged_back", amount=1_000, discount="fixed", voucher=FIXED)
        self.bill("charged2", "inv_9", amount=1_000, discount="fixed", voucher=FIXED, subscription="sub_fixed")

    def _use_up(self) -> None:
        """Use up a maximum in all. An invoice goes without, its voucher is redeemed anew, and a move is refused."""
        self._create(IN_ALL, in_all=500)
        self.redeem("in_all", voucher=IN_ALL, number=1, subscription="sub_3")
        self.bill("used_up", "inv_21", amount=500, voucher=IN_ALL, discount="in_all", subscription="sub_3")
        self.bill("without", "inv_22", amount=0, subscription="sub_3")
        self.redeem("anew", voucher=IN_ALL, number=2, subscription="sub_3")
        move = {"requestId": "completed", "discount": "dis_in_all", "subscription": "sub_4"}
        self.ask("completed", "discounts.move", move, {"outcome": "refused", "reason": "discount_completed"})

    def bill(self, name: str, invoice: str, **fields: Any) -> None:
        """Add an invoice that is discounted."""
        self.ask(name, "billing.apply", **invoice_answered(invoice, **fields))

    def credit(self, name: str, invoice: str, **fields: Any) -> None:
        """Add an invoice that credits a line."""
        self.ask(name, "billing.apply", **credit_answered(invoice, **fields))

    def reverse(self, name: str, invoice: str, *, credits_of: str | None = None, **fields: Any) -> None:
        """Add a reversal, with the credits of a crediting invoice."""
        credits_ = self.askings[credits_of].answer["credits"] if credits_of else []
        self.ask(name, "billing.reverse", **reversal_answered(name, invoice=invoice, credits_=credits_, **fields))

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
            "discount": None if reason else f"dis_{name}",
            "decidedAt": f"2026-01-01T00:{int(self._now) // 60:02}:{int(self._now) % 60:02}Z",
            **own,
        }
        self.ask(name, task, {"requestId": id or name, "voucher": voucher, **own}, answer)

    def hold(self, name: str, *, voucher: str) -> None:
        """Add a hold of a new customer and subscription."""
        self.redeem(name, voucher=voucher, task="redemptions.reserve")

    def _create(
        self,
        voucher: str,
        *,
        maximum: int | None = None,
        recurrence: str = "forever",
        months: int | None = None,
        budget: int | None = None,
        price: int | None = None,
        in_all: int | None = None,
    ) -> None:
        self.ask(
            voucher,
            "vouchers.create",
            {"requestId": voucher},
            {
                "id": voucher,
                "code": None,
                "restrictions": {"maximumRedemptions": maximum, "maximumRedemptionsPerCustomer": None},
                "recurrence": {"type": "repeating" if months else recurrence, "durationInMonths": months},
                "priceDiscountPercentage": None if price else 10,
                "priceDiscount": price and {"amount": price, "currency": "USD"},
                "carryOver": False,
                "exclusive": False,
                "priority": 500,
                "maximumDiscountInAll": in_all and {"amount": in_all, "currency": "USD"},
                "budget": budget and {"amount": budget, "currency": "USD"},
            },
        )
