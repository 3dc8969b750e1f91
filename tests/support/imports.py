"""Discounts that ran in another system, and the requests that import them."""

from typing import Any

from tests.support.requests import create_voucher
from tests.support.tasks import task_named

# Two invoices of 2027, so that the next one is of March.
JANUARY, FEBRUARY = {"start": "2027-01-01", "end": "2027-02-01"}, {"start": "2027-02-01", "end": "2027-03-01"}
ONE_CYCLE: dict[str, Any] = {"firstCycleStart": "2027-01-01", "cycles": 1, "lastCycle": JANUARY}
TWO_CYCLES: dict[str, Any] = {"firstCycleStart": "2027-01-01", "cycles": 2, "lastCycle": FEBRUARY}
THREE_MONTHS: dict[str, Any] = {"recurrence": {"type": "repeating", "durationInMonths": 3}}
BALANCE: dict[str, Any] = {"priceDiscount": {"amount": 10_000, "currency": "USD"}, "carryOver": True}


def elsewhere(**fields: Any) -> dict[str, Any]:
    """Return a discount of cus_1 on sub_1 that had no cycle yet."""
    return {
        "project": "gigs",
        "ref": "di_1",
        "customer": "cus_1",
        "subscription": "sub_1",
        "redeemedAt": "2026-03-01T12:00:00Z",
        **fields,
    }


def import_discount(voucher: str | None = None, **fields: Any) -> dict[str, Any]:
    """Import a discount of cus_1 on sub_1, of a new voucher if none is named, and return the answer."""
    body = elsewhere(voucher=voucher or create_voucher()["id"], **fields)
    answer: dict[str, Any] = task_named("discounts.import")(request=body)
    return answer


def import_discounts(*bodies: Any) -> list[dict[str, Any]]:
    """Import discounts together, and return the answers."""
    items: list[dict[str, Any]] = task_named("discounts.import_many")(request={"requests": list(bodies)})["items"]
    return items
