"""What the database holds at the end of a run, compared with what callers were told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.wire.answers import identity
from tasks.wire.fields import type_id
from tests.end_to_end.database import rows
from tests.faults.finding import Finding
from tests.faults.history import Decision, History

# The project, and the caller's id of a redemption or an invoice.
CallersId = tuple[str, str]


class StoredRedemption(NamedTuple):
    """A row of `redemptions`."""

    id: str | None
    reason: str | None
    number: int | None


class StoredReversal(NamedTuple):
    """A row of `invoice_reversals`, with what its ledger entries gave back."""

    invoice: CallersId
    kind: str
    # For a credit: the crediting invoice, the line, and its amount. Negative if the credit is taken back.
    credited_by: str | None
    line: str | None
    amount: int
    share: int


class StoredDiscount(NamedTuple):
    """A row of `discounts` with its changes: the kind and the note of each, in their order."""

    subscription: str
    # Months or cycles, as the discount counts.
    duration: int | None
    changes: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, kw_only=True)
class StoredRows:
    """The redemptions, the amount that the ledger has for each invoice, and the reversals and the discounts by id."""

    redemptions: dict[CallersId, StoredRedemption] = field(default_factory=dict)
    invoices: dict[CallersId, int] = field(default_factory=dict)
    reversals: dict[str, StoredReversal] = field(default_factory=dict)
    discounts: dict[str, StoredDiscount] = field(default_factory=dict)


def read_stored_rows(url: str) -> StoredRows:
    """Read the rows from the database."""
    redemptions = rows(url, "SELECT project, request_id, id, reason, redemption_number FROM redemptions")
    invoices = rows(
        url,
        "SELECT invoice.project, invoice.invoice, coalesce(sum(entry.amount_minor), 0)::bigint"
        " FROM invoice_discounts AS invoice LEFT JOIN usage_entries AS entry"
        " ON entry.project = invoice.project AND entry.invoice = invoice.invoice"
        " GROUP BY invoice.project, invoice.invoice",
    )
    reversals = rows(
        url,
        "SELECT reversal.id, reversal.project, reversal.invoice, reversal.kind, reversal.credited_by,"
        " CASE WHEN reversal.credited_by IS NOT NULL THEN reversal.lines -> 0 ->> 'id' END,"
        " CASE WHEN reversal.credited_by IS NOT NULL THEN (reversal.lines -> 0 ->> 'amount')::bigint ELSE 0 END,"
        " coalesce(-sum(entry.amount_minor), 0)::bigint"
        " FROM (SELECT project, id, invoice, kind, credited_by, lines::jsonb AS lines FROM invoice_reversals)"
        " AS reversal LEFT JOIN usage_reversals AS entry"
        " ON entry.project = reversal.project AND entry.reversal_id = reversal.id"
        " GROUP BY 1, 2, 3, 4, 5, 6, 7",
    )
    discounts = rows(
        url,
        "SELECT discount.id, discount.subscription, coalesce(duration_in_months, duration_in_cycles),"
        " coalesce(jsonb_agg(jsonb_build_array(change.kind, change.note) ORDER BY change.number)"
        " FILTER (WHERE change.number IS NOT NULL), '[]')"
        " FROM discounts AS discount LEFT JOIN discount_changes AS change"
        " ON change.project = discount.project AND change.discount_id = discount.id"
        " GROUP BY discount.project, discount.id",
    )
    return StoredRows(
        redemptions={
            (project, request_id): StoredRedemption(identity("red", id_), reason, number)
            for project, request_id, id_, reason, number in redemptions
        },
        invoices={(project, invoice): amount for project, invoice, amount in invoices},
        reversals={
            type_id("rev", id_): StoredReversal((project, invoice), *columns)
            for id_, project, invoice, *columns in reversals
        },
        discounts={
            type_id("dis", id_): StoredDiscount(subscription, duration, tuple((kind, note) for kind, note in changes))
            for id_, subscription, duration, changes in discounts
        },
    )


def rows_that_contradict(history: History, stored: StoredRows) -> Iterator[Finding]:
    """Find answers without their row, rows that differ from the answer, and rows that nobody asked for."""
    for redemption in history.decided("redemption"):
        row = stored.redemptions.get(redemption.key[1:])
        if row is None:
            yield Finding("effect lost", redemption.key, f"{redemption.answer}")
        elif row != _as_told(redemption):
            yield Finding("row differs from the answer", redemption.key, f"{row}, told {redemption.answer}")
    for invoice in history.decided("invoice"):
        taken = stored.invoices.get(invoice.key[1:])
        if taken is None:
            yield Finding("effect lost", invoice.key, f"{invoice.answer}")
        elif taken != (told := sum(each["amount"] for each in invoice.answer["discounts"])):
            yield Finding("invoice discounted twice", invoice.key, f"{taken}, told {told}")
    for kind, found in (("redemption", stored.redemptions), ("invoice", stored.invoices)):
        for callers_id in found:
            if (kind, *callers_id) not in history.by_key:
                yield Finding("effect without a request", (kind, *callers_id), "nobody asked for it")


def failures_of_stored_effects(history: History, stored: StoredRows) -> Iterator[Finding]:
    """Find requests whose every asking failed or has no answer, though the effect is stored."""
    for key, askings in history.by_key.items():
        is_stored = (key[0] == "redemption" and key[1:] in stored.redemptions) or (
            key[0] == "invoice" and key[1:] in stored.invoices
        )
        is_told = any(each.is_final for each in askings)
        has_failed = any(each.state is not None and not each.is_answered for each in askings)
        if is_stored and has_failed and not is_told:
            yield Finding("failure of what is committed", key, "the row is stored")


def _as_told(redemption: Decision) -> StoredRedemption:
    answer = redemption.answer
    return StoredRedemption(answer["id"], answer["reason"], answer["redemptionNumber"])
