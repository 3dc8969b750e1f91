"""What the model keeps: vouchers, codes and recorded uses as they were sent, and what has happened to them since."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.histories.discounting import Discount

Json = dict[str, Any]
# Why something is over, and since when.
End = tuple[str, datetime]

# Why a code is retired whose voucher is.
WITH_ITS_VOUCHER = {
    "manualAction": "voucherManuallyRetired",
    "expired": "voucherExpired",
    "maxRedemptionsReached": "voucherMaxRedemptionsReached",
}


@dataclass(eq=False)
class Voucher:
    """A voucher: its body as it was sent, with what was changed of it since."""

    body: Json
    id: str
    created_at: datetime
    # The customers of its redemptions, in the order of their numbers.
    redeemed_by: list[str] = field(default_factory=list)
    # The customers whose own place is free again, and those of redemptions that gave all of it back.
    freed: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    retired: End | None = None
    # What it granted, in that order.
    granted: list[Discount] = field(default_factory=list)

    def places_taken(self) -> int:
        """This method will return how many of its places are taken."""
        return len(self.redeemed_by) - len(self.returned)

    def places_of(self, customer: str) -> int:
        """This method will return how many of them a customer has."""
        back = self.freed.count(customer) + self.returned.count(customer)
        return self.redeemed_by.count(customer) - back

    def restriction(self, name: str) -> Any:
        """This method will return one of its restrictions, or None."""
        return self.body.get("restrictions", {}).get(name)

    def instant(self, name: str) -> datetime | None:
        """This method will return one end of its window."""
        value = self.restriction(name)
        return None if value is None else datetime.fromisoformat(value)

    def has_expired(self, at: datetime) -> bool:
        """This method will tell whether its window is over."""
        expires_at = self.instant("expiresAt")
        return expires_at is not None and at >= expires_at

    def expire(self) -> None:
        """This method will retire it as what it is, as of the end of its window. The first reason stays."""
        expires_at = self.instant("expiresAt")
        assert expires_at is not None
        self.retired = self.retired or ("expired", expires_at)

    def answer(self) -> Json:
        """This method will return the voucher as callers see it."""
        price, card = self.body.get("priceDiscount"), self.body.get("stampCard")
        names = ("maximumRedemptions", "maximumRedemptionsPerCustomer", "products", "minimumSubtotal")
        return {
            "object": "voucher",
            "id": self.id,
            "project": self.body["project"],
            "createdAt": written(self.created_at),
            "name": self.body["name"],
            "code": self.body.get("code"),
            "priceDiscount": shown_amounts(price),
            "priceDiscountPercentage": self.body.get("priceDiscountPercentage"),
            "recurrence": {"durationInMonths": None, "durationInCycles": None, **self.body["recurrence"]},
            "carryOver": self.body.get("carryOver", False),
            "stampCard": card and {"expireDays": None, **card},
            "maximumDiscount": shown_amounts(self.body.get("maximumDiscount")),
            "budget": shown_amounts(self.body.get("budget")),
            "restrictions": {
                "startsAt": written(self.instant("startsAt")),
                "expiresAt": written(self.instant("expiresAt")),
                **{name: self.restriction(name) for name in names},
            },
            "redemptions": self.places_taken(),
            "metadata": self.body.get("metadata", {}),
            **status_of(self.retired),
        }


@dataclass(eq=False)
class Code:
    """A code of a voucher: its text as it was sent, and the limits that it was given."""

    text: str
    voucher: Voucher
    created_at: datetime
    limits: Json = field(default_factory=dict)
    # Whether it is the one that its voucher shows.
    is_own: bool = True
    # Not known before it is shown for the first time.
    id: str | None = None
    # Whether it was ever the one that its text names; otherwise its voucher only shows it.
    has_held: bool = True
    redemptions: int = 0
    retired: End | None = None

    def expires_at(self) -> datetime | None:
        """This method will return its own end, whatever its voucher's."""
        value = self.limits.get("expiresAt")
        return None if value is None else datetime.fromisoformat(value)

    def own_end(self, at: datetime) -> End | None:
        """This method will return how it has ended by itself, or None."""
        expires_at = self.expires_at()
        return ("expired", expires_at) if expires_at is not None and expires_at <= at else None

    def end(self, at: datetime) -> End | None:
        """This method will return how it ended first, by itself or with its voucher, or None while it can be used."""
        ends: list[End | None] = [self.with_its_voucher(), self.own_end(at)]
        voucher_expires_at = self.voucher.instant("expiresAt")
        if voucher_expires_at is not None and voucher_expires_at <= at:
            ends.append(("voucherExpired", voucher_expires_at))
        return min((each for each in ends if each), key=lambda end: end[1], default=None)

    def with_its_voucher(self) -> End | None:
        """This method will return what its voucher's retirement is for it."""
        retired = self.voucher.retired
        return retired and (WITH_ITS_VOUCHER[retired[0]], retired[1])

    def answer(self) -> Json:
        """This method will return the code as callers see it: of two limits the smaller one counts."""
        maximum, expires_at = self.limits.get("maximumRedemptions"), self.expires_at()
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
            "customer": self.limits.get("customer"),
            "maximumRedemptions": maximum and min(maximum, vouchers_maximum or maximum),
            "expiresAt": expires_at and written(min(expires_at, vouchers_end or expires_at)),
            "redemptions": self.redemptions,
            **status_of(self.retired or self.with_its_voucher()),
        }


@dataclass(eq=False, frozen=True)
class Record:
    """An entry that was recorded. One that was refused counts nothing, and is not listed."""

    id: str
    voucher: Voucher
    body: Json
    at: datetime
    is_refused: bool
    completed_card: bool

    def count(self, name: str) -> int:
        """This method will return what the entry counts of something."""
        count: int = self.body.get(name, 0)
        return 0 if self.is_refused else count


@dataclass(eq=False, frozen=True)
class Reversal:
    """What was reversed of an invoice: of each line so much, and of each discount on it its part."""

    invoice: str
    reason: str
    is_charged_back: bool
    at: datetime
    lines: dict[str, int]
    # By line and discount.
    parts: dict[str, dict[str, int]]
    answer: Json

    def of(self, discount: str) -> int:
        """This method will return what it takes back of a discount."""
        return sum(parts.get(discount, 0) for parts in self.parts.values())


def shown_amounts(amounts: Json | None) -> Json | None:
    """This function will return amounts as callers see them."""
    return amounts and {"currencyOptions": {}, **amounts}


def status_of(retired: End | None) -> Json:
    """This function will return whether and why something is retired, as callers see it."""
    if retired is None:
        return {"status": "available", "retiredReason": None, "retiredAt": None}
    return {"status": "retired", "retiredReason": retired[0], "retiredAt": written(retired[1])}


def written(value: datetime | None) -> str | None:
    """This function will return an instant as the wire has it."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
