"""List the usage of a voucher, customer by customer."""

from collections import defaultdict
from typing import Any

from sqlalchemy.orm import Session

from models.base import read_clock, read_one_snapshot
from models.invoices.taken import taken_in_total
from models.usages.by_customer import (
    START,
    customer_of,
    find_customers,
    find_one_customer,
    first_records_of,
    grants_of,
    stamps_of,
)
from models.usages.history import (
    ListedCustomers,
    PositionRow,
    find_position,
    newest_entries,
    sum_entries,
)
from models.usages.recorded_usage import stamp_card_of
from models.vouchers.look_up import find_voucher
from models.vouchers.total import total_minor_of
from tasks.intake.task import contract_task
from tasks.usages.items import REFS_MAX, Taken, UsageVoucherRow, Use, usage_item
from tasks.usages.messages import ListUsages
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("usages.list", message=ListUsages, first_answer=AnswerTable.READS)
def list_(request: ListUsages) -> Answer:
    """List the usage of a voucher: a page of its customers, each with the newest entries and the sums of all."""
    with transaction() as session:
        read_one_snapshot(session)
        return list_usages(session, request)


def list_usages(session: Session, request: ListUsages) -> Answer:
    """Return a page of a voucher's customers, in the same number of statements for a page of any size.

    Raises NotFound if there is no such voucher, and InvalidRequest if `startingAfter` is no item of the list or
    `refsBefore` no entry of the customer.
    """
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    listed = _listed_customers(session, request)
    uses = _uses(session, listed, voucher=voucher, before=_refs_position(session, request, listed=listed))
    taken = _taken(session, listed) if total_minor_of(voucher) is not None else {}
    now = read_clock(session)
    items = [usage_item(uses[each], customer=each, voucher=voucher, taken=taken, now=now) for each in listed.customers]
    return {"object": "list", "items": items}


def _listed_customers(session: Session, request: ListUsages) -> ListedCustomers:
    of_voucher: dict[str, Any] = {"project": request.project, "voucher_id": request.voucher}
    after = _position(session, request)
    if request.customer is None:
        customers = find_customers(session, **of_voucher, after=after, limit=request.limit)
    else:
        customers = find_one_customer(session, **of_voucher, after=after, customer=request.customer)
    grants = grants_of(session, **of_voucher, customers=customers)
    return ListedCustomers(**of_voucher, customers=customers, grants=grants)


def _position(session: Session, request: ListUsages) -> str:
    if request.starting_after is None:
        return START
    customer = customer_of(session, project=request.project, voucher_id=request.voucher, id=request.starting_after)
    if customer is None:
        raise InvalidRequest([{"field": "startingAfter", "message": "must be the id of an item of this list"}])
    return customer


def _refs_position(session: Session, request: ListUsages, *, listed: ListedCustomers) -> PositionRow | None:
    if request.refs_before is None:
        return None
    position = find_position(session, of=listed, id=request.refs_before)
    if position is None:
        raise InvalidRequest([{"field": "refsBefore", "message": "must be the id of an entry of this customer"}])
    return position


def _uses(
    session: Session, listed: ListedCustomers, *, voucher: UsageVoucherRow, before: PositionRow | None
) -> defaultdict[str, Use]:
    of_voucher: dict[str, Any] = {"project": listed.project, "voucher_id": listed.voucher_id}
    uses: defaultdict[str, Use] = defaultdict(Use)
    for grant in listed.grants:
        uses[grant.customer].grants.append(grant)
    for record in first_records_of(session, **of_voucher, customers=listed.customers):
        uses[record.customer].first_record = record
    for row in sum_entries(session, of=listed):
        uses[row.customer].sums.append(row)
    # One more than an item shows tells whether there are older ones.
    for entry in newest_entries(session, of=listed, before=before, limit=REFS_MAX + 1):
        uses[entry.customer].entries.append(entry)
    if stamp_card_of(voucher) is not None:
        for stamps in stamps_of(session, **of_voucher, customers=listed.customers):
            uses[stamps.customer].stamps.append(stamps)
    return uses


def _taken(session: Session, listed: ListedCustomers) -> Taken:
    ids = [each.id for each in listed.grants]
    totals = taken_in_total(session, keys=[(listed.project, each) for each in ids])
    return dict(zip(ids, totals, strict=True))
