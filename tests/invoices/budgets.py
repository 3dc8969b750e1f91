"""Vouchers with caps, and the amounts that their budgets have given."""

from sqlalchemy import select

from models.vouchers.budget import BUDGETS
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

TEN = {"amount": 1_000, "currency": "USD"}
FURTHER = {"amount": 1_000, "currency": "USD", "currencyOptions": {"EUR": 900}}


def grant(*, subscription: str = "sub_1", **fields) -> dict:
    """Redeem a new voucher, of 50 % unless a price discount is given."""
    price = {} if "priceDiscount" in fields else {"priceDiscountPercentage": 50}
    voucher = create_voucher(**price, **fields)
    redeem(voucher=voucher["id"], subscription=subscription, currency="USD")
    return voucher


def lines(amount: int) -> list[dict]:
    """Return the only line of an invoice."""
    return [{"id": "base", "amount": amount}]


def change(voucher: dict, **fields) -> dict:
    """Update a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def spent() -> dict[str, int]:
    """Return the spent amounts of the budgets, by currency."""
    with transaction() as session:
        return dict(session.execute(select(BUDGETS.c.currency, BUDGETS.c.spent_minor)).all())


def given(answer: dict) -> tuple[int, list[str]]:
    """Return the discount total of an invoice, and the reasons of the skipped discounts."""
    return answer["discountTotal"], [each["reason"] for each in answer["skipped"]]
