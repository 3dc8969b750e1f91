"""Read what is known about a customer, a subscription or an invoice, with as many statements for any number of rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from domain.explanation import History, Move
from domain.value_class import value
from models.codes.look_up import find_codes
from models.codes.row_types import CodeRow
from models.discounts.moves_and_extensions import MoveRow, find_extensions, find_moves
from models.discounts.row_types import ListedDiscountRow
from models.invoices.row_types import InvoiceRow
from models.invoices.taken import taken_in_total
from models.invoices.taken_by_discount import TakenRow, newest_taken
from models.redemptions.row_types import HoldRow, RedemptionRow
from models.vouchers.listing import VoucherListing, VoucherStatus, older_vouchers
from models.vouchers.row_types import ShownVoucherRow
from tasks.support.messages import Explain
from tasks.support.pages import Asked, Page, read_discounts, read_elsewhere, read_holds, read_requests

# Of each discount.
ENTRIES_MAX = 20


class OfDiscount(Protocol):
    """A row that belongs to a discount."""

    discount_id: UUID


Row = TypeVar("Row", bound=OfDiscount)


@value
class Known:
    """What is known about a discount: its history, its newest ledger entries, those of the invoice, and its sums."""

    history: History
    # The instant of the last extension, if there was one.
    last_extended_at: datetime | None
    newest: Sequence[TakenRow]
    of_invoice: Sequence[TakenRow]
    # In minor units by currency, without what was reversed, and with what was taken in another system.
    given_minor: Mapping[str, int]


@value
class Evidence:
    """All rows that an explanation is made of. `elsewhere` are the customer's discounts on other subscriptions."""

    now: datetime
    requests: Page[RedemptionRow]
    holds: Page[HoldRow]
    discounts: Page[ListedDiscountRow]
    elsewhere: Page[ListedDiscountRow]
    vouchers: Mapping[UUID, ShownVoucherRow]
    codes: Mapping[UUID, CodeRow]
    known: Mapping[UUID, Known]


_NO_ROWS: Page[Any] = Page(rows=(), has_older=False)
# About an invoice that is not known.
NOTHING = Evidence(
    now=datetime.min.replace(tzinfo=UTC),
    requests=_NO_ROWS,
    holds=_NO_ROWS,
    discounts=_NO_ROWS,
    elsewhere=_NO_ROWS,
    vouchers={},
    codes={},
    known={},
)


def read_evidence(session: Session, request: Explain, *, invoice: InvoiceRow | None, now: datetime) -> Evidence:
    """Read the rows about the request's customer or subscription, or about those of a known invoice."""
    requests = read_requests(session, request, invoice=invoice)
    holds = read_holds(session, request, invoice=invoice, now=now)
    discounts = read_discounts(session, request, invoice=invoice)
    elsewhere = read_elsewhere(session, request, invoice=invoice)
    # A discount of the subscription is mostly one of the customer too.
    rows = list({each.id: each for each in (*discounts.rows, *elsewhere.rows)}.values())
    known = _known(session, request, rows=rows, invoice=invoice)
    if invoice is not None:
        never_here = [each for each in elsewhere.rows if not known[each.id].history.was_on(invoice.subscription)]
        elsewhere = Page(rows=never_here, has_older=elsewhere.has_older)
    asked: list[Asked] = [*requests.rows, *holds.rows]
    return Evidence(
        now=now,
        requests=requests,
        holds=holds,
        discounts=discounts,
        elsewhere=elsewhere,
        vouchers=_vouchers(session, request, rows=asked, discounts=rows),
        codes=_codes(session, request, rows=asked),
        known=known,
    )


def _known(
    session: Session, request: Explain, *, rows: Sequence[ListedDiscountRow], invoice: InvoiceRow | None
) -> dict[UUID, Known]:
    project, ids = request.project, [each.id for each in rows]
    newest = _by_discount(newest_taken(session, project=project, discounts=ids, limit=ENTRIES_MAX))
    of_invoice: Mapping[UUID, Sequence[TakenRow]] = {}
    if invoice is not None:
        taken = newest_taken(session, project=project, discounts=ids, limit=ENTRIES_MAX, invoice=invoice.invoice)
        of_invoice = _by_discount(taken)
    moves = _by_discount(find_moves(session, project=project, discounts=ids))
    extensions = find_extensions(session, project=project, discounts=ids)
    last_extended_at = {each.discount_id: each.created_at for each in extensions}
    given = taken_in_total(session, keys=[(project, each) for each in ids])
    return {
        row.id: Known(
            history=_history(row, moves=moves.get(row.id, ()), newest=newest.get(row.id, ())),
            last_extended_at=last_extended_at.get(row.id),
            newest=newest.get(row.id, ()),
            of_invoice=of_invoice.get(row.id, ()),
            given_minor=given_minor,
        )
        for row, given_minor in zip(rows, given, strict=True)
    }


def _history(row: ListedDiscountRow, *, moves: Sequence[MoveRow], newest: Sequence[TakenRow]) -> History:
    imported_at = None if row.imported is None else datetime.fromisoformat(row.imported["created_at"])
    first_taken_at = newest[0].first_taken_at if newest else None
    return History(
        granted_at=imported_at or row.created_at,
        subscription=row.subscription,
        moves=[Move(source=each.from_subscription, target=each.to_subscription, at=each.created_at) for each in moves],
        ended_at=row.ended_at,
        first_taken_at=imported_at if row.imported is not None and row.imported["cycles"] else first_taken_at,
        is_imported=row.imported is not None,
    )


def _vouchers(
    session: Session, request: Explain, *, rows: Iterable[Asked], discounts: Iterable[ListedDiscountRow]
) -> dict[UUID, ShownVoucherRow]:
    ids = {each.voucher_id for each in rows if each.voucher_id is not None} | {each.voucher_id for each in discounts}
    listing = VoucherListing(project=request.project, statuses=frozenset(VoucherStatus), ids=sorted(ids))
    return {each.id: each for each in older_vouchers(session, listing=listing, than=None, limit=len(ids))}


def _codes(session: Session, request: Explain, *, rows: Iterable[Asked]) -> dict[UUID, CodeRow]:
    keys = {(request.project, each.code_id) for each in rows if each.code_id is not None}
    return {each.id: each for each in find_codes(session, keys=keys)}


def _by_discount(rows: Iterable[Row]) -> Mapping[UUID, Sequence[Row]]:
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    for each in rows:
        found[each.discount_id].append(each)
    return found
