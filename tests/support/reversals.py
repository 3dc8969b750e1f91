"""Requests that reverse discounted invoices, with the tasks called as plain functions."""

from typing import Any

from sqlalchemy import text

from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

FEBRUARY, MARCH, APRIL, MAY = ({"start": f"2027-0{month}-01", "end": f"2027-0{month + 1}-01"} for month in (2, 3, 4, 5))
ONCE = {"recurrence": {"type": "once"}}
# The invoice was never paid.
UNPAID = ("voided", "payment_failed")
GIVING_BACK = (*UNPAID, "charged_back")


def reverse(invoice_id: str, kind: str = "voided", **fields: Any) -> dict[str, Any]:
    """Reverse an invoice of the project."""
    answer: dict[str, Any] = task_named("billing.reverse")(
        request={"project": "gigs", "invoice": invoice_id, "kind": kind, **fields}
    )
    return answer


def refund(invoice_id: str, request_id: str, **amounts: int) -> dict[str, Any]:
    """Refund an amount of each given line of an invoice."""
    lines = [{"id": line, "amount": amount} for line, amount in amounts.items()]
    return reverse(invoice_id, "refunded", requestId=request_id, lines=lines)


def grant(**fields: Any) -> dict[str, Any]:
    """Redeem a new voucher on sub_1, from 2027 on."""
    return redeem(
        voucher=create_voucher(**fields)["id"],
        customer="cus_1",
        subscription="sub_1",
        startsOn="2027-01-01",
        currency="USD",
    )


def discount_row() -> Any:
    """Return the row of the only discount."""
    with transaction() as session:
        return session.execute(text("SELECT * FROM discounts")).one()
