"""The invoices that a batch credits: locked, then read with all that refunds and credits have taken back so far."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from domain.reversal import BilledLine
from domain.value_class import value
from models.discounts.of_subscription import lock_covering_and_named
from models.discounts.row_types import DiscountRow
from models.invoices.ledger import InvoiceKey, find_entries, find_invoices
from models.invoices.reversal import find_reversals
from models.invoices.row_types import InvoiceReversalRow, InvoiceRow
from tasks.discounts.present_subscriptions import check_not_moved, lock_present_subscriptions
from tasks.invoices.messages import Apply, InvoiceLine
from tasks.invoices.reversed_lines import billed_lines, discounts_of
from tasks.wire.answers import Answer
from tasks.wire.fields import uuid_of


class EntryColumns(Protocol):
    """The columns of a ledger entry that a credit of it needs."""

    id: UUID
    discount_id: UUID
    cycle_start: date


@value
class CreditedInvoice:
    """An invoice as a credit of it finds it."""

    currency: str
    lines: Mapping[str, BilledLine]
    # The kinds of the reversals so far.
    earlier: Collection[str]
    # By discount.
    vouchers: Mapping[UUID, UUID]
    entries: Mapping[UUID, EntryColumns]


@value
class LockedInvoices:
    """The stored invoices that a batch credits, and all locked discounts, ascending by id."""

    invoices: Mapping[InvoiceKey, InvoiceRow]
    discounts: Sequence[DiscountRow]


def credit_lines(invoice: Apply) -> Iterable[tuple[InvoiceLine, InvoiceKey, str]]:
    """Yield each credit line with the project and the id of the credited invoice, and the id of the credited line."""
    for line in invoice.lines:
        if line.credit_of is not None:
            yield line, (invoice.project, line.credit_of.invoice), line.credit_of.line


def credited_keys(invoices: Iterable[Apply]) -> set[InvoiceKey]:
    """Return the invoices that credit lines name."""
    return {key for invoice in invoices for _, key, _ in credit_lines(invoice)}


def lock_credited(session: Session, invoices: Sequence[Apply], *, keys: Collection[InvoiceKey]) -> LockedInvoices:
    """Lock what `billing.reverse` locks of each credited invoice, and the discounts of the batch's subscriptions.

    First the subscriptions of the credited invoices, and those that their discounts are on now. Then all discounts, in
    one statement. A credited invoice may also be one of the batch.
    """
    stored = find_invoices(session, keys=keys)
    credited = {key for each in stored.values() for key in discounts_of(each)}
    own = {(each.project, each.subscription) for each in stored.values()}
    own |= {(each.project, each.subscription) for each in invoices if (each.project, each.invoice) in keys}
    locked = lock_present_subscriptions(session, discounts=credited, beside=own)
    subscriptions = {*locked, *((each.project, each.subscription) for each in invoices)}
    discounts = lock_covering_and_named(session, subscriptions=subscriptions, keys=credited)
    check_not_moved([each for each in discounts if (each.project, each.id) in credited], locked=locked)
    return LockedInvoices(invoices=stored, discounts=discounts)


def read_credited(session: Session, *, invoices: Mapping[InvoiceKey, InvoiceRow]) -> dict[InvoiceKey, CreditedInvoice]:
    """Read the locked invoices with their reversals so far."""
    entries: defaultdict[InvoiceKey, list[EntryColumns]] = defaultdict(list)
    keys = [(project, discount, row.invoice) for row in invoices.values() for project, discount in discounts_of(row)]
    for each in find_entries(session, keys=keys):
        entries[each.project, each.invoice].append(each)
    reversals = find_reversals(session, keys=invoices)
    return {
        key: credited_invoice(row.answer, entries=entries[key], reversals=reversals[key])
        for key, row in invoices.items()
    }


def credited_invoice(
    answer: Answer, *, entries: Iterable[EntryColumns], reversals: Sequence[InvoiceReversalRow] = ()
) -> CreditedInvoice:
    """Return an invoice with the answer to it, its ledger entries, and its reversals so far."""
    return CreditedInvoice(
        currency=answer["currency"],
        lines=billed_lines(answer, earlier=reversals),
        earlier={each.kind for each in reversals},
        vouchers={uuid_of(each["discount"]): uuid_of(each["voucher"]) for each in answer["discounts"]},
        entries={each.discount_id: each for each in entries},
    )
