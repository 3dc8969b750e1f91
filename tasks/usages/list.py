"""List the usage of a voucher, customer by customer."""

from typing import Any

from sqlalchemy.orm import Session

from models.base import read_clock, read_one_snapshot
from models.invoices.unreversed import reversals_of
from models.usages.by_customer import (
    START,
    customer_of,
    entries_of,
    grants_of,
    page_of_customers,
    page_of_one,
    records_of,
)
from models.vouchers.look_up import find_voucher
from tasks.usages.items import usage_item, uses_by_customer
from tasks.usages.messages import ListUsages
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.task import contract_task
from worker.database import transaction


@contract_task("usages.list", message=ListUsages)
def list_(request: ListUsages) -> Answer:
    """This task will answer a page of a voucher's customers with all their entries and the sums of them."""
    with transaction() as session:
        read_one_snapshot(session)
        return list_usages(session, request)


def list_usages(session: Session, request: ListUsages) -> Answer:
    """This function will answer the page, in as many statements as any other.

    Raises NotFound where there is no such voucher, InvalidRequest where `startingAfter` is none of its items.
    """
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    whose: dict[str, Any] = {"project": request.project, "voucher_id": request.voucher}
    after = _position(session, request)
    if request.customer is None:
        customers = page_of_customers(session, **whose, after=after, limit=request.limit)
    else:
        customers = page_of_one(session, **whose, after=after, customer=request.customer)
    grants = grants_of(session, **whose, customers=customers)
    discounts = [each.id for each in grants]
    uses = uses_by_customer(
        grants=grants,
        entries=entries_of(session, project=request.project, discounts=discounts),
        records=records_of(session, **whose, customers=customers),
        reversals=reversals_of(session, project=request.project, discounts=discounts),
    )
    now = read_clock(session)
    items = [usage_item(uses[each], customer=each, voucher=voucher, now=now) for each in customers]
    return {"object": "list", "items": items}


def _position(session: Session, request: ListUsages) -> str:
    if request.starting_after is None:
        return START
    customer = customer_of(session, project=request.project, voucher_id=request.voucher, id=request.starting_after)
    if customer is None:
        raise InvalidRequest([{"field": "startingAfter", "message": "must be the id of an item of this list"}])
    return customer
