"""The model of random histories: vouchers, codes, usage records and reversals, with their history."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.histories.discounting import Discount, Taken
from tests.histories.phases import shown_recurrence

Json = dict[str, Any]
# The reason and the instant of an end.
End = tuple[str, datetime]

# The reason of a code that is retired with the voucher, by the voucher's reason.
WITH_ITS_VOUCHER = {
    "manualAction": "voucherManuallyRetired",
    "expired": "voucherExpired",
    "maxRedemptionsReached": "voucherMaxRedemptionsReached",
}


@dataclass(eq=False)
class Voucher:
    """A voucher: the body as sent, with later changes."""

    body: Json
    id: str
    created_at: datetime
    # The customers of the redemptions, in the order of the redemption numbers.
    redeemed_by: list[str] = field(default_factory=list)
    # Customers who got their own place back, and customers of redemptions whose place was returned completely.
    freed: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    retired: End | None = None
    updated_at: datetime | None = None
    # The granted discounts, in order.
    granted: list[Discount] = field(default_factory=list)

    def places_taken(self) -> int:
        """Return how many places are taken."""
        return len(self.redeemed_by) - len(self.returned)

    def places_of(self, customer: str) -> int:
        """Return how many places a customer has."""
        back = self.freed.count(customer) + self.returned.count(customer)
        return self.redeemed_by.count(customer) - back

    def restriction(self, name: str) -> Any:
        """Return a restriction, or None."""
        return self.body.get("restrictions", {}).get(name)

    def instant(self, name: str) -> datetime | None:
        """Return an end of the window, or None."""
        value = self.restriction(name)
        return None if value is None else datetime.fromisoformat(value)

    def has_expired(self, at: datetime) -> bool:
        """Return whether the window is over."""
        expires_at = self.instant("expiresAt")
        return expires_at is not None and at >= expires_at

    def expire(self) -> None:
        """Retire the voucher as expired, as of the end of the window. The first reason stays."""
        expires_at = self.instant("expiresAt")
        assert expires_at is not None
        self.retired = self.retired or ("expired", expires_at)

    def answer(self) -> Json:
        """Return the voucher as callers see it, but without its amounts."""
        price, card = self.body.get("priceDiscount"), self.body.get("stampCard")
        limits = ("maximumRedemptions", "maximumRedemptionsPerCustomer")
        names = (*limits, "products", "excludedProducts")
        minimum = self.restriction("minimumSubtotal")
        return {
            "object": "voucher",
            "id": self.id,
            "project": self.body["project"],
            "createdAt": written(self.created_at),
            "updatedAt": written(self.updated_at),
            "name": self.body["name"],
            "code": self.body.get("code"),
            "campaign": self.body.get("campaign"),
            "priceDiscount": shown_amounts(price),
            "priceDiscountPercentage": self.body.get("priceDiscountPercentage"),
            "recurrence": shown_recurrence(self.body["recurrence"]),
            "carryOver": self.body.get("carryOver", False),
            "exclusive": self.body.get("exclusive", False),
            "priority": self.body.get("priority", 500),
            "stampCard": card and {"expireDays": None, **card},
            "maximumDiscount": shown_amounts(self.body.get("maximumDiscount")),
            "maximumDiscountInAll": shown_amounts(self.body.get("maximumDiscountInAll")),
            "budget": shown_amounts(self.body.get("budget")),
            "restrictions": {
                "startsAt": written(self.instant("startsAt")),
                "expiresAt": written(self.instant("expiresAt")),
                **{name: self.restriction(name) for name in names},
                "firstPurchaseOnly": self.restriction("firstPurchaseOnly") or False,
                "minimumSubtotal": minimum and {"on": "redemption", **minimum},
            },
            "redemptions": self.places_taken(),
            "metadata": self.body.get("metadata", {}),
            **status_of(self.retired),
        }


@dataclass(eq=False)
class Code:
    """A code of a voucher: the text and the limits as they were sent."""

    text: str
    voucher: Voucher
    created_at: datetime
    limits: Json = field(default_factory=dict)
    # Whether the voucher shows this code.
    is_own: bool = True
    # Unknown before the first answer that shows the code.
    id: str | None = None
    # Whether the text ever named this code. If not, the voucher only shows the text.
    has_held: bool = True
    redemptions: int = 0
    retired: End | None = None
    # The instant at which an update changed the capitals.
    updated_at: datetime | None = None

    def places_of(self, customer: str) -> int:
        """Return how many places a customer has by this code."""
        mine = (each for each in self.voucher.granted if each.code is self and each.customer == customer)
        return sum(not each.place_is_returned for each in mine)

    def expires_at(self) -> datetime | None:
        """Return the code's own end, without regard to the voucher's."""
        value = self.limits.get("expiresAt")
        return None if value is None else datetime.fromisoformat(value)

    def own_end(self, at: datetime) -> End | None:
        """Return reason and instant of the code's own end, or None."""
        expires_at = self.expires_at()
        return ("expired", expires_at) if expires_at is not None and expires_at <= at else None

    def end(self, at: datetime) -> End | None:
        """Return reason and instant of the first end, of the code or the voucher, or None while the code is usable."""
        ends: list[End | None] = [self.with_its_voucher(), self.own_end(at)]
        voucher_expires_at = self.voucher.instant("expiresAt")
        if voucher_expires_at is not None and voucher_expires_at <= at:
            ends.append(("voucherExpired", voucher_expires_at))
        return min((each for each in ends if each), key=lambda end: end[1], default=None)

    def with_its_voucher(self) -> End | None:
        """Return the end that follows from the voucher's retirement, or None."""
        retired = self.voucher.retired
        return retired and (WITH_ITS_VOUCHER[retired[0]], retired[1])

    def answer(self) -> Json:
        """Return the code as callers see it. Of two limits the smaller counts."""
        maximum, expires_at = self.limits.get("maximumRedemptions"), self.expires_at()
        each, vouchers_each = (
            self.limits.get("maximumRedemptionsPerCustomer"),
            self.voucher.restriction("maximumRedemptionsPerCustomer"),
        )
        vouchers_maximum, vouchers_end = (
            self.voucher.restriction("maximumRedemptions"),
            self.voucher.instant("expiresAt"),
        )
        return {
            "object": "code",
            "id": self.id,
            "project": self.voucher.body["project"],
            "voucher": self.voucher.id,
            "code": self.text,
            "createdAt": written(self.created_at),
            "updatedAt": written(self.updated_at),
            "customer": self.limits.get("customer"),
            "maximumRedemptions": maximum and min(maximum, vouchers_maximum or maximum),
            "maximumRedemptionsPerCustomer": each and min(each, vouchers_each or each),
            "expiresAt": expires_at and written(min(expires_at, vouchers_end or expires_at)),
            "redemptions": self.redemptions,
            **status_of(self.retired or self.with_its_voucher()),
        }


@dataclass(eq=False)
class Record:
    """A recorded usage. A refused record counts nothing, and is not listed."""

    id: str
    voucher: Voucher
    body: Json
    at: datetime
    is_refused: bool
    # Whether a stamp card was completed by this entry and redeemed.
    completed_card: bool = False

    def count(self, name: str) -> int:
        """Return the number of usages, stamps or minor units that the entry counts."""
        count: int = self.body.get(name, 0)
        return 0 if self.is_refused else count


@dataclass(eq=False, frozen=True)
class Reversal:
    """A reversal of an invoice: the amount of each line, and the part of each discount."""

    invoice: str
    kind: str
    at: datetime
    lines: dict[str, int]
    # By line and discount.
    parts: dict[str, dict[str, int]]
    answer: Json

    def of(self, discount: str) -> int:
        """Return the reversed amount of a discount."""
        return sum(parts.get(discount, 0) for parts in self.parts.values())


@dataclass(eq=False, frozen=True)
class Credit:
    """A credit line of an invoice: the credited line as a reversal, and what each discount got back."""

    project: str
    invoice: str
    line: str
    reversal: Reversal
    # The discounts of the credited line, with the amounts that they got back.
    given: list[tuple[Discount, Taken]]


@dataclass(frozen=True)
class Entry:
    """An entry of the ledger that was not recorded by a caller, in minor units."""

    discount: Discount
    ref: str
    ref_type: str
    at: datetime
    usage: int
    amount: int
    currency: str


def shown_amounts(amounts: Json | None) -> Json | None:
    """Return amounts as callers see them."""
    return amounts and {"currencyOptions": {}, **amounts}


def status_of(retired: End | None) -> Json:
    """Return status and reason of retirement as callers see them."""
    if retired is None:
        return {"status": "available", "retiredReason": None, "retiredAt": None}
    return {"status": "retired", "retiredReason": retired[0], "retiredAt": written(retired[1])}


def written(value: datetime | None) -> str | None:
    """Return an instant as the wire has it."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
