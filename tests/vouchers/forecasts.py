"""Forecasts, and discounts with a history in the ledger to forecast from."""

from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named


def month(number: int) -> dict:
    """Return a month of 2031 as a period."""
    return {"start": f"2031-{number:02}-01", "end": f"2031-{number + 1:02}-01"}


def grant(*, subscription: str = "sub_1", **fields) -> dict:
    """Redeem a new voucher of 10 % for ever and return it. Fields override the voucher's."""
    voucher = create_voucher(**fields)
    redeem(voucher=voucher["id"], subscription=subscription, currency="USD", startsOn="2031-01-01")
    return voucher


def bill(*amounts: int, subscription: str = "sub_1", currency: str = "USD", first: int = 1) -> None:
    """Bill the months of 2031 one after the other."""
    for number, amount in enumerate(amounts, start=first):
        lines = [{"id": "base", "amount": amount}]
        apply(subscription=subscription, period=month(number), lines=lines, currency=currency)


def look(*, months: int = 4, since: str = "2031-03-10", **fields) -> dict:
    """Return a forecast, by default from March 2031."""
    answer: dict = task_named("vouchers.forecast")(
        request={"project": "gigs", "months": months, "from": since, **fields}
    )
    return answer


def costs(answer: dict, *, currency: str = "USD") -> list[int]:
    """Return the costs of each month."""
    return [each["amounts"].get(currency, 0) for each in answer["months"]]
