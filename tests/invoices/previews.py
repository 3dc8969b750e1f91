"""Previews, and the discounts that they show."""

from sqlalchemy import select

from models.base import Base
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction


def plan(**fields) -> dict:
    """Return a plan over 80.00 USD a month from January 2027 on, except for the given fields."""
    base = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    return {**base, **fields}


def look(*, periods: int = 4, since: str | None = "2027-01-01", **fields) -> dict:
    """Preview sub_1."""
    return preview(subscription="sub_1", periods=periods, plan=plan(**fields), **{"from": since})


def preview(**fields) -> dict:
    """Preview four periods of the plan for nobody, except for the given fields. None leaves a field out."""
    body = {"project": "gigs", "plan": plan(), "from": "2027-01-01", "periods": 4, **fields}
    answer: dict = task_named("billing.preview")(
        request={name: each for name, each in body.items() if each is not None}
    )
    return answer


def grant(**fields) -> dict:
    """Redeem a new voucher of 10 % on sub_1, except for the given fields."""
    voucher = create_voucher(**fields)
    return redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2026-01-01")


def totals(answer: dict) -> list[int]:
    """Return the discount total of each period."""
    return [each["discountTotal"] for each in answer["periods"]]


def reasons(answer: dict) -> list[str | None]:
    """Return the reason of each voucher's refusal, or None."""
    return [each["reason"] for each in answer["redeem"]]


def contents() -> dict[str, list]:
    """Return every row of every table."""
    with transaction() as session:
        return {table.name: list(session.execute(select(table)).all()) for table in Base.metadata.sorted_tables}
