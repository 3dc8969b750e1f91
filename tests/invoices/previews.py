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
    body = {"project": "gigs", "subscription": "sub_1", "periods": periods, "plan": plan(**fields)}
    answer: dict = task_named("billing.preview")(request=body if since is None else {**body, "from": since})
    return answer


def grant(**fields) -> dict:
    """Redeem a new voucher of 10 % on sub_1, except for the given fields."""
    voucher = create_voucher(**fields)
    return redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2026-01-01")


def totals(answer: dict) -> list[int]:
    """Return the discount total of each period."""
    return [each["discountTotal"] for each in answer["periods"]]


def contents() -> dict[str, list]:
    """Return every row of every table."""
    with transaction() as session:
        return {table.name: list(session.execute(select(table)).all()) for table in Base.metadata.sorted_tables}
