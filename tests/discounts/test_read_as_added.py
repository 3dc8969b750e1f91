"""Reading a discount as it would be added: every column is that of the row that is then added."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from models.base import new_id
from models.discounts.discount import DISCOUNTS, add_discounts, read_as_added
from tasks.wire.fields import uuid_of
from tests.support.requests import create_voucher
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    "terms",
    [
        {"recurrence": {"type": "repeating", "durationInMonths": 3}, "restrictions": {"products": ["prod_a"]}},
        {"restrictions": {"excludedProducts": ["prod_a"]}},
        {"priceDiscount": {"amount": 500, "currency": "USD"}, "carryOver": True},
        {"maximumDiscountInAll": {"amount": 500, "currency": "USD"}},
        {"budget": {"amount": 500, "currency": "USD"}, "maximumDiscount": {"amount": 50, "currency": "USD"}},
    ],
)
def test_the_row_read_is_the_row_added(terms):
    """With the terms of the voucher and the defaults of the table."""
    row: dict[str, Any] = {
        "project": "gigs",
        "id": new_id(),
        "voucher_id": uuid_of(create_voucher(**terms)["id"]),
        "customer": "cus_1",
        "subscription": "sub_1",
        "created_at": datetime(2027, 1, 1, tzinfo=UTC),
        "starts_on": date(2027, 1, 2),
        "starts_on_in_utc": date(2027, 1, 1),
    }
    with transaction() as session:
        (read,) = read_as_added(session, rows=[row])
        add_discounts(session, rows=[row])
        (added,) = session.execute(select(DISCOUNTS)).mappings()
        # A discount without a redemption must not stay.
        session.rollback()
    assert {name: getattr(read, name) for name in added} == added
