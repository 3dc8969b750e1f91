"""List the usage of a voucher, customer by customer."""

from typing import Any

from sqlalchemy.orm import Session

from models.base import read_clock, read_one_snapshot
from models.invoices.reversal import find_usage_reversals
from models.usages.by_customer import (
    START,
    customer_of,
    entries_of,
    find_customers,
    find_one_customer,
    grants_of,
    records_of,
)
from models.vouchers.look_up import find_voucher
from tasks.intake.task import contract_task
from tasks.usages.items import usage_item, uses_by_customer
from tasks.usages.messages import ListUsages
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("usages.list", message=ListUsages, first_answer=AnswerTable.READS)
def list_(request: ListUsages) -> Answer:
    """List the usage of a voucher: a page of its customers, each with all entries and their sums."""
    with transaction() as session:
        read_one_snapshot(session)
        return list_usages(session, request)


def list_usages(session: Session, request: ListUsages) -> Answer:
    """Return a page of a voucher's customers, in the same number of statements for a page of any size.

    Raises NotFound if there is no such voucher, and InvalidRequest if `startingAfter` is no item of the list.
    """
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    of_voucher: dict[str, Any] = {"project": request.project, "voucher_id": request.voucher}
    after = _position(session, request)
    if request.customer is None:
        customers = find_customers(session, **of_voucher, after=after, limit=request.limit)
    else:
        customers = find_one_customer(session, **of_voucher, after=after, customer=request.customer)
    grants = grants_of(session, **of_voucher, customers=customers)
    discounts = [each.id for each in grants]
    uses = uses_by_customer(
        grants=grants,
        entries=entries_of(session, project=request.project, discounts=discounts),
        records=records_of(session, **of_voucher, customers=customers),
        reversals=find_usage_reversals(session, project=request.project, discounts=discounts),
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
