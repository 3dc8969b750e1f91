"""The model of random histories: how holds count against limits, and which holds are replaced."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.histories.entities import Code, Json, Voucher, written

TTL_SECONDS = 900
# A hold with such a status is neither released nor confirmed again.
FINAL_STATUSES = {"confirmed", "released"}
# Reasons that were checked when a hold was created, and are not checked again.
DECIDED_WITH_THE_HOLD = (
    "voucher_retired",
    "code_retired",
    "voucher_not_started",
    "voucher_expired",
    "code_expired",
    "customer_limit_reached",
    "not_first_purchase",
    "product_not_eligible",
    "currency_mismatch",
    "minimum_subtotal_not_met",
)


@dataclass(eq=False)
class Hold:
    """A hold: the redemption that was asked for, and its status."""

    body: Json
    voucher: Voucher
    code: Code | None
    # The first answer, which has the end of the hold.
    answer: Json
    status: str = "open"

    def is_of(self, body: Json) -> bool:
        """Return whether the hold is of the same customer and subscription."""
        return all(self.body[name] == body[name] for name in ("customer", "subscription"))

    def has_lapsed(self, at: datetime) -> bool:
        """Return whether the time is over."""
        return datetime.fromisoformat(self.answer["expiresAt"]) <= at

    def lapse(self) -> None:
        """Let the hold end right after the beginning."""
        began = datetime.fromisoformat(self.answer["decidedAt"])
        self.answer["expiresAt"] = written(began + timedelta(microseconds=1))


def hold_confirmed_by(
    body: Json, holds: Sequence[Hold], *, voucher: Voucher | None, code: Code | None, at: datetime
) -> Hold | None:
    """Return the hold that a redemption confirms, or None.

    The hold has the same id, body, voucher and code, is open and has not lapsed.
    """
    return next(
        (
            each
            for each in holds
            if each.body == body
            and (each.voucher, each.code) == (voucher, code)
            and each.status == "open"
            and not each.has_lapsed(at)
        ),
        None,
    )


def open_holds(holds: Sequence[Hold], *, voucher: Voucher, at: datetime) -> list[Hold]:
    """Return the open holds of a voucher. A sweep makes no difference."""
    return [each for each in holds if each.voucher is voucher and each.status == "open" and not each.has_lapsed(at)]


def holds_to_replace(
    holds: Sequence[Hold], *, voucher: Voucher, code: Code | None, body: Json, at: datetime, own: Hold | None = None
) -> list[Hold] | None:
    """Return the customer's own holds that a request replaces, or None if the request is refused.

    The hold for the same subscription is always replaced. Of the others as few as needed are replaced, holds by the
    same code first. If the request confirms the hold `own`, the customer's limit was decided with that hold.
    """
    held = open_holds(holds, voucher=voucher, at=at)
    customers = [each for each in held if each.body["customer"] == body["customer"]]
    here = [each for each in customers if each.is_of(body)]
    elsewhere = sorted((each for each in customers if each not in here), key=lambda each: each.code is not code)
    for count in range(len(elsewhere) + 1):
        replaced = here + elsewhere[:count]
        left = [each for each in held if each not in replaced]
        if has_room(left, voucher=voucher, code=code, body=body, waived=DECIDED_WITH_THE_HOLD if own else ()):
            return replaced
    return None


def has_room(
    held: Sequence[Hold], *, voucher: Voucher, code: Code | None, body: Json, waived: Collection[str] = ()
) -> bool:
    """Return whether every limit has a place left beside the taken and held places."""
    customer = body["customer"]
    limits = [(voucher.restriction("maximumRedemptions"), voucher.places_taken() + len(held))]
    if "customer_limit_reached" not in waived:
        of_customer = voucher.places_of(customer) + sum(each.body["customer"] == customer for each in held)
        limits.append((voucher.restriction("maximumRedemptionsPerCustomer"), of_customer))
    if code is not None:
        limits.append(
            (code.limits.get("maximumRedemptions"), code.redemptions + sum(each.code is code for each in held))
        )
        by_customer = sum(each.code is code and each.body["customer"] == customer for each in held)
        limits.append((code.limits.get("maximumRedemptionsPerCustomer"), code.places_of(customer) + by_customer))
    is_taken = any(each.body["subscription"] == body["subscription"] for each in held)
    return not is_taken and all(maximum is None or taken < maximum for maximum, taken in limits)


def lapse_near_holds(holds: Sequence[Hold], *, voucher: Voucher | None, body: Json, at: datetime) -> None:
    """End the lapsed holds of a voucher that are of a request's customer or subscription."""
    for each in holds:
        is_near = each.voucher is voucher and any(
            each.body[name] == body[name] for name in ("customer", "subscription")
        )
        if is_near and each.status == "open" and each.has_lapsed(at):
            each.status = "lapsed"


def replace_holds(holds: list[Hold]) -> None:
    """Mark holds as replaced by another request of their customer."""
    for each in holds:
        each.status = "replaced"
