"""Find the reversal that the answer to an invoice names."""

from collections.abc import Iterable

from sqlalchemy import Text, literal_column, select, text, true
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.invoices.ledger import InvoiceKey
from models.invoices.reversal import INVOICE_REVERSALS
from models.invoices.row_types import LatestReversalRow

_INVOICES = rows_from_arrays("invoices", project=Text(), invoice=Text())
# The reversal that gave the cycle back is the last one, even if the clock was set back. LIMIT keeps the planner from
# reordering the join: one index scan per invoice.
_LATEST_OF_EACH = (
    select(
        INVOICE_REVERSALS.c.project,
        INVOICE_REVERSALS.c.invoice,
        INVOICE_REVERSALS.c.kind,
        INVOICE_REVERSALS.c.created_at,
    )
    .where(INVOICE_REVERSALS.c.project == _INVOICES.c.project, INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice)
    .order_by(
        (INVOICE_REVERSALS.c.kind != text("'refunded'")).desc(),
        INVOICE_REVERSALS.c.created_at.desc(),
        INVOICE_REVERSALS.c.id.desc(),
    )
    .limit(literal_column("1"))
    .correlate(_INVOICES)
    .lateral("latest")
)
_FIND = select(_LATEST_OF_EACH).select_from(_INVOICES.join(_LATEST_OF_EACH, true()))


def find_latest_reversals(session: Session, *, keys: Iterable[InvoiceKey]) -> dict[InvoiceKey, LatestReversalRow]:
    """Return the latest reversal of each (project, invoice). An invoice without a reversal is left out."""
    rows = session.execute(_FIND, array_parameters("invoices", ("project", "invoice"), keys)).all()
    return {(row.project, row.invoice): row for row in rows}
