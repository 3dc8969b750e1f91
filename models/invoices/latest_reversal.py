"""Find the reversal that the answer to an invoice names."""

from collections.abc import Iterable

from sqlalchemy import Text, literal_column, select, text, true
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.invoices.ledger import InvoiceKey
from models.invoices.reversal import INVOICE_REVERSALS
from models.invoices.row_types import LatestReversalRow
from models.reversal_kinds import GIVES_BACK

_INVOICES = rows_from_arrays("invoices", project=Text(), invoice=Text())
_CREDIT_REVERSED = INVOICE_REVERSALS.alias("credit_reversed")
_IS_IN_FORCE = ~(
    select(_CREDIT_REVERSED.c.id)
    .where(
        _CREDIT_REVERSED.c.project == INVOICE_REVERSALS.c.project,
        _CREDIT_REVERSED.c.invoice == INVOICE_REVERSALS.c.invoice,
        _CREDIT_REVERSED.c.credited_by == INVOICE_REVERSALS.c.credited_by,
        _CREDIT_REVERSED.c.kind == text("'credit_reversed'"),
    )
    .correlate(INVOICE_REVERSALS)
    .exists()
)
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
    .where(_IS_IN_FORCE)
    .order_by(
        text(f"({GIVES_BACK}) DESC"),
        INVOICE_REVERSALS.c.created_at.desc(),
        INVOICE_REVERSALS.c.id.desc(),
    )
    .limit(literal_column("1"))
    .correlate(_INVOICES)
    .lateral("latest")
)
_FIND = select(_LATEST_OF_EACH).select_from(_INVOICES.join(_LATEST_OF_EACH, true()))


def find_latest_reversals(session: Session, *, keys: Iterable[InvoiceKey]) -> dict[InvoiceKey, LatestReversalRow]:
    """Return the latest reversal of each (project, invoice). An invoice without a reversal is left out.

    A credit that was reversed itself does not count.
    """
    rows = session.execute(_FIND, array_parameters("invoices", ("project", "invoice"), keys)).all()
    return {(row.project, row.invoice): row for row in rows}
