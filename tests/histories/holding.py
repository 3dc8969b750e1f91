"""Holds, as the contract says it: what counts against whom, who makes way, and what becomes of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.histories.kept import Code, Json, Voucher, written

TTL_SECONDS = 900
# Under these nothing is given back, and nothing is confirmed anew.
SETTLED = {"confirmed", "released"}
# What an open hold was judged by, once and for all.
DECIDED_WITH_THE_HOLD = (
    "voucher_retired",
    "code_retired",
    "voucher_not_started",
    "voucher_expired",
    "code_expired",
    "customer_limit_reached",
    "product_not_eligible",
    "currency_mismatch",
    "minimum_subtotal_not_met",
)


@dataclass(eq=False)
class Hold:
    """A place that was held: the redemption that was asked for, and what has become of it."""

    body: Json
    voucher: Voucher
    code: Code | None
    # The first answer, which shows the end that it has.
    answer: Json
    status: str = "open"

    def is_of(self, body: Json) -> bool:
        """This method will tell whether it is of the same customer and subscription."""
        return all(self.body[name] == body[name] for name in ("customer", "subscription"))

    def has_lapsed(self, at: datetime) -> bool:
        """This method will tell whether its time is over."""
        return datetime.fromisoformat(self.answer["expiresAt"]) <= at

    def lapse(self) -> None:
        """This method will let its time be over right after it began."""
        began = datetime.fromisoformat(self.answer["decidedAt"])
        self.answer["expiresAt"] = written(began + timedelta(microseconds=1))


def reserved_by(
    body: Json, holds: Sequence[Hold], *, voucher: Voucher | None, code: Code | None, at: datetime
) -> Hold | None:
    """This function will return the hold that a redemption confirms: of its id, its body, its place, and not over."""
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


def counting(holds: Sequence[Hold], *, voucher: Voucher, at: datetime) -> list[Hold]:
    """This function will return what is held of a voucher, swept or not."""
    return [each for each in holds if each.voucher is voucher and each.status == "open" and not each.has_lapsed(at)]


def making_way(
    holds: Sequence[Hold], *, voucher: Voucher, code: Code | None, body: Json, at: datetime, own: Hold | None = None
) -> list[Hold] | None:
    """This function will return which of the customer's own holds make way for a request, or None where it is refused.

    Where `own` is the hold that it confirms, the customer's limit was decided with that.

    The one for the same subscription always, of the others as few as will do: those by the same code first.
    """
    held = counting(holds, voucher=voucher, at=at)
    customers = [each for each in held if each.body["customer"] == body["customer"]]
    here = [each for each in customers if each.is_of(body)]
    elsewhere = sorted((each for each in customers if each not in here), key=lambda each: each.code is not code)
    for count in range(len(elsewhere) + 1):
        aside = here + elsewhere[:count]
        left = [each for each in held if each not in aside]
        if has_room(left, voucher=voucher, code=code, body=body, waived=DECIDED_WITH_THE_HOLD if own else ()):
            return aside
    return None


def has_room(
    held: Sequence[Hold], *, voucher: Voucher, code: Code | None, body: Json, waived: Collection[str] = ()
) -> bool:
    """This function will tell whether every limit has a place left beside what is taken and held."""
    customer = body["customer"]
    limits = [(voucher.restriction("maximumRedemptions"), voucher.places_taken() + len(held))]
    if "customer_limit_reached" not in waived:
        of_customer = voucher.places_of(customer) + sum(each.body["customer"] == customer for each in held)
        limits.append((voucher.restriction("maximumRedemptionsPerCustomer"), of_customer))
    if code is not None:
        limits.append(
            (code.limits.get("maximumRedemptions"), code.redemptions + sum(each.code is code for each in held))
        )
    is_taken = any(each.body["subscription"] == body["subscription"] for each in held)
    return not is_taken and all(maximum is None or taken < maximum for maximum, taken in limits)


def tidy(holds: Sequence[Hold], *, voucher: Voucher | None, body: Json, at: datetime) -> None:
    """This function will end what has lapsed of a voucher's holds by a request's customer or for its subscription."""
    for each in holds:
        is_near = each.voucher is voucher and any(
            each.body[name] == body[name] for name in ("customer", "subscription")
        )
        if is_near and each.status == "open" and each.has_lapsed(at):
            each.status = "lapsed"
