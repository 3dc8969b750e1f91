"""List invoices, newest first, in pages that start at a cursor, and find everything that an invoice got reversed."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import LOOK_UP_COLLATION
from models.invoices.ledger import INVOICE_COLUMNS
from models.invoices.row_types import InvoiceRow, ReversalWithAnswerRow
from models.invoices.stored_answer import StoredAnswer

# The indexes have the instant, but not the invoice, which would make them too long. WITH TIES reads all invoices of the
# last instant, which are sorted then. OFFSET 0 keeps the planner from using the index of another owner.
_PAGE = """
    SELECT * FROM (
        SELECT * FROM (
            SELECT {columns} FROM invoice_discounts
            WHERE {owner} = :{owner} AND project COLLATE "{collation}" = :project AND {at}
            ORDER BY applied_at {order} OFFSET 0
        ) AS of_owner
        WHERE {conditions} ORDER BY applied_at {order} FETCH FIRST (:limit) ROWS WITH TIES
    ) AS with_ties
    ORDER BY applied_at {order}, invoice {order} LIMIT :limit
"""
_REVERSALS = text("""
    SELECT id, kind, lines, answer, created_at, credited_by, actor FROM invoice_reversals
    WHERE project = :project AND invoice = :invoice ORDER BY created_at, id
""")


@value
class InvoiceListing:
    """A filter for invoices of a project. At least one of subscription and customer is given."""

    project: str
    subscription: str | None
    customer: str | None


def older_invoices(
    session: Session, *, listing: InvoiceListing, than: InvoiceRow | None, limit: int
) -> list[InvoiceRow]:
    """Return the newest invoices that are older than the invoice `than`, or the newest of all, newest first."""
    return _page(session, listing=listing, than=than, limit=limit, sign="<", order="DESC")


def newer_invoices(session: Session, *, listing: InvoiceListing, than: InvoiceRow, limit: int) -> list[InvoiceRow]:
    """Return the oldest invoices that are newer than the invoice `than`, newest first."""
    return _page(session, listing=listing, than=than, limit=limit, sign=">", order="ASC")[::-1]


def find_all_reversals(session: Session, *, project: str, invoice: str) -> list[ReversalWithAnswerRow]:
    """Return every reversal and every credit of an invoice, oldest first."""
    return list(session.execute(_REVERSALS, {"project": project, "invoice": invoice}).all())


def _page(
    session: Session, *, listing: InvoiceListing, than: InvoiceRow | None, limit: int, sign: str, order: str
) -> list[InvoiceRow]:
    given = {"subscription": listing.subscription, "customer": listing.customer}
    owners = {name: each for name, each in given.items() if each is not None}
    owner, *others = owners
    conditions = [f"{name} = :{name}" for name in others]
    parameters: dict[str, Any] = {"project": listing.project, "limit": limit, **owners}
    if than is not None:
        conditions.append(f"(applied_at, invoice) {sign} (:applied_at, :invoice)")
        parameters |= {"applied_at": than.applied_at, "invoice": than.invoice}
    statement = _PAGE.format(
        columns=", ".join(INVOICE_COLUMNS),
        owner=owner,
        collation=LOOK_UP_COLLATION,
        at="true" if than is None else f"applied_at {sign}= :applied_at",
        conditions=" AND ".join(conditions) or "true",
        order=order,
    )
    typed = text(statement).columns(answer=StoredAnswer)
    return list(session.execute(typed, parameters).all())
