"""Erasures for tests: what a customer leaves, and what is there afterwards."""

import re
from functools import partial
from typing import Any

from sqlalchemy import select

from models.base import Base
from tasks.customers.erase import _begin
from tasks.customers.messages import EraseCustomer
from tests.support.requests import add_codes, create_voucher, invoice, redemption, usage
from tests.support.tasks import task_named
from worker.database import run_in_transaction, transaction

# With characters that JSON escapes in more than one way.
CUSTOMER = 'cus "é\\1'
DIGEST = re.compile("usage-[0-9a-f]{64}")
CARD = {"stampCard": {"stamps": 2}}
# The names of tasks, with their requests.
Requests = list[tuple[str, dict[str, Any]]]


def erase(customer: str = CUSTOMER, *, project: str = "gigs", **fields: Any) -> dict[str, Any]:
    """Erase a customer by the task, and return the answer."""
    answer: dict[str, Any] = task_named("customers.erase")(request={"project": project, "customer": customer, **fields})
    return answer


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table."""
    with transaction() as session:
        return {
            table.name: [dict(row) for row in session.execute(select(*table.c)).mappings()]
            for table in Base.metadata.sorted_tables
        }


def told(rows: object) -> str:
    """Return rows as text, in which texts of JSON and of messages are spelt as in Python."""
    return repr(rows)


def pseudonyms() -> set[str]:
    """Return the pseudonyms of all erasures."""
    return {row["pseudonym"] for row in everything()["customer_erasures"]}


def begun(request: EraseCustomer, *, key: str | None = None) -> Any:
    """Begin an erasure, or go on with it, and return it."""
    return run_in_transaction(partial(_begin, request=request, key=key))


def do_everything(*, customer: str = CUSTOMER, project: str = "gigs", mark: str = "") -> Requests:
    """Let a customer do all that leaves a row, and return the requests. `mark` is part of each code and id."""
    of = {"project": project}
    voucher = create_voucher(
        **of, name=f"Open{mark}", code=f"OPEN{mark}", restrictions={"maximumRedemptionsPerCustomer": 4}
    )["id"]
    card = create_voucher(**of, name=f"Card{mark}", **CARD)["id"]
    add_codes({**of, "id": voucher}, {"code": f"MINE{mark}", "customer": customer}, requestId=f"codes-1{mark}")
    mine = {**of, "customer": customer}
    sent = [
        ("redemptions.redeem", redemption(code=f"OPEN{mark}", subscription=f"sub_a{mark}", **mine)),
        ("redemptions.redeem", redemption(code=f"MINE{mark}", subscription=f"sub_b{mark}", **mine)),
        ("redemptions.redeem", redemption(code=f"UNKNOWN{mark}", subscription=f"sub_a{mark}", **mine)),
        ("redemptions.reserve", redemption(code=f"OPEN{mark}", subscription=f"sub_c{mark}", **mine)),
        ("redemptions.reserve", redemption(code=f"OPEN{mark}", subscription=f"sub_d{mark}", **mine)),
        ("usages.record", usage(voucher=card, stamp=1, **mine)),
        ("usages.record", usage(voucher=card, stamp=1, **mine)),
        ("usages.record", usage(voucher=voucher, amount=500, currency="USD", **mine)),
        ("billing.apply", invoice(invoice=f"inv_a{mark}", subscription=f"sub_a{mark}", **mine)),
    ]
    for task, request in sent:
        answer = task_named(task)(request=request)
        if request.get("subscription") == f"sub_d{mark}":
            task_named("redemptions.confirm")(request={**of, "hold": answer["id"]})
    back = {"kind": "refunded", "requestId": f"back{mark}", "lines": [{"id": "base", "amount": 8000}]}
    codes = {"count": 2, "customer": customer, "requestId": f"gen-1{mark}"}
    later: Requests = [
        (
            "billing.reverse",
            {"invoice": f"inv_a{mark}", **back},
        ),
        ("subscriptions.end", {"subscription": f"sub_b{mark}", "requestId": f"end-1{mark}"}),
        (
            "vouchers.generate_codes",
            {"voucher": voucher, **codes},
        ),
    ]
    for task, request in later:
        task_named(task)(request={**of, **request})
    return sent
