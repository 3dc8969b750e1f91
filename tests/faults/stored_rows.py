"""What the database holds at the end of a run, compared with what callers were told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.wire.answers import identity
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


@dataclass(frozen=True, kw_only=True)
class StoredRows:
    """The redemptions, and the amount that the ledger has for each invoice."""

    redemptions: dict[CallersId, StoredRedemption] = field(default_factory=dict)
    invoices: dict[CallersId, int] = field(default_factory=dict)


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
    return StoredRows(
        redemptions={
            (project, request_id): StoredRedemption(identity("red", id_), reason, number)
            for project, request_id, id_, reason, number in redemptions
        },
        invoices={(project, invoice): amount for project, invoice, amount in invoices},
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
        elif taken != invoice.answer["discountTotal"]:
            yield Finding("invoice discounted twice", invoice.key, f"{taken}, told {invoice.answer['discountTotal']}")
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
