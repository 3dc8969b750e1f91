"""The items of a usage list: each customer of a voucher with all entries and their sums."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.allowance import allowance_left
from domain.reversal import GIVING_BACK
from domain.stamp_card import stamps_on_card
from models.invoices.row_types import UsageReversalRow
from models.usages.by_customer import UsageEntryRow, UsageGrantRow, UsageRecordRow
from models.usages.recorded_usage import StampCardRow, collected_of, stamp_card_of
from tasks.wire.answers import Answer, identity, instant
from tasks.wire.fields import type_id

# The reference type of an applied invoice, which uses the discount once.
INVOICE = "invoice"
# The reference type of a reversal: the use by an invoice, or a refunded part of the amount, is taken back.
REVERSAL = "reversal"


class DatedRow(Protocol):
    """The columns that every row of a customer's use has."""

    id: UUID
    created_at: datetime


class AmountRow(Protocol):
    """The amount of an entry, in minor units. Reversals have a negative amount."""

    amount_minor: int


class UsageVoucherRow(StampCardRow, Protocol):
    """The columns of a voucher that its usage items need."""

    id: UUID
    currency: str | None
    carry_over: bool


@dataclass(slots=True)
class Use:
    """The use of a voucher by a customer. Each list is sorted, the oldest row first."""

    grants: list[UsageGrantRow] = field(default_factory=list)
    entries: list[UsageEntryRow] = field(default_factory=list)
    records: list[UsageRecordRow] = field(default_factory=list)
    reversals: list[UsageReversalRow] = field(default_factory=list)


def uses_by_customer(
    *,
    grants: Iterable[UsageGrantRow],
    entries: Iterable[UsageEntryRow],
    records: Iterable[UsageRecordRow],
    reversals: Iterable[UsageReversalRow],
) -> defaultdict[str, Use]:
    """Group rows by their customers. Rows of each kind are given the oldest first."""
    uses: defaultdict[str, Use] = defaultdict(Use)
    customers = {}
    for grant in grants:
        uses[grant.customer].grants.append(grant)
        customers[grant.id] = grant.customer
    for entry in entries:
        uses[customers[entry.discount_id]].entries.append(entry)
    for record in records:
        uses[record.customer].records.append(record)
    for reversal in reversals:
        uses[customers[reversal.discount_id]].reversals.append(reversal)
    return uses


def usage_item(use: Use, *, customer: str, voucher: UsageVoucherRow, now: datetime) -> Answer:
    """Return the item of a customer in the usage list of a voucher.

    The item has the id of the customer's first discount or record, so that the id never changes.
    """
    firsts: list[DatedRow] = [*use.grants[:1], *use.records[:1]]
    oldest = min(firsts, key=lambda each: each.created_at)
    rows: list[DatedRow] = [*use.grants, *use.entries, *use.records, *use.reversals]
    return {
        "id": type_id("use", oldest.id),
        "refId": identity("dis", use.grants[0].id if use.grants else None),
        "discountId": type_id("vou", voucher.id),
        "customerId": customer,
        "createdAt": instant(oldest.created_at),
        "updatedAt": instant(max(each.created_at for each in rows)),
        "createdBy": use.records[0].created_by if use.records and oldest is use.records[0] else None,
        "usageRefs": _usage_refs(use),
        "statistics": _statistics(use, voucher=voucher, now=now),
    }


def _usage_refs(use: Use) -> list[Answer]:
    dated = [(each.created_at, each.id, _invoice_ref(each)) for each in use.entries]
    dated += [(each.created_at, each.id, _record_ref(each)) for each in use.records]
    dated += [(each.created_at, each.id, _reversal_ref(each)) for each in use.reversals]
    return [ref for _, _, ref in sorted(dated, key=lambda each: each[:2])]


def _invoice_ref(entry: UsageEntryRow) -> Answer:
    return {
        "ref": entry.invoice,
        "refType": INVOICE,
        "usage": 1,
        "stamp": 0,
        "amount": entry.amount_minor,
        "createdAt": instant(entry.created_at),
        "createdBy": None,
    }


def _reversal_ref(reversal: UsageReversalRow) -> Answer:
    return {
        "ref": reversal.invoice,
        "refType": REVERSAL,
        "usage": -1 if reversal.kind in GIVING_BACK else 0,
        "stamp": 0,
        "amount": reversal.amount_minor,
        "createdAt": instant(reversal.created_at),
        "createdBy": None,
    }


def _record_ref(record: UsageRecordRow) -> Answer:
    return {
        "ref": record.ref,
        "refType": record.ref_type,
        "usage": record.usage,
        "stamp": record.stamp,
        "amount": record.amount_minor,
        "createdAt": instant(record.created_at),
        "createdBy": record.created_by,
    }


def _statistics(use: Use, *, voucher: UsageVoucherRow, now: datetime) -> Answer:
    usage = len(use.entries) - len(_given_back(use)) + sum(each.usage for each in use.records)
    amounts: list[AmountRow] = [*use.entries, *use.records, *use.reversals]
    return {
        "stamp": sum(each.stamp for each in use.records),
        "used": usage,
        "usage": usage,
        "amount": sum(each.amount_minor for each in amounts),
        "debitBalance": _debit_balance(use, voucher=voucher),
        "currentStamp": _current_stamp(use, voucher=voucher, now=now),
    }


def _given_back(use: Use) -> list[UsageReversalRow]:
    return [each for each in use.reversals if each.kind in GIVING_BACK]


def _debit_balance(use: Use, *, voucher: UsageVoucherRow) -> int | None:
    # Balances are fixed amounts, so there is a currency.
    if not voucher.carry_over or voucher.currency is None:
        return None
    taken: defaultdict[UUID, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    # A refund goes back into the balance like any other reversal. Reversals have negative amounts.
    for entry in (*use.entries, *use.reversals):
        taken[entry.discount_id][entry.currency] += entry.amount_minor
    return sum(
        allowance_left(each.amounts_minor, currency=voucher.currency, taken_minor=taken[each.id])
        for each in use.grants
        if each.amounts_minor is not None
    )


def _current_stamp(use: Use, *, voucher: UsageVoucherRow, now: datetime) -> int:
    card = stamp_card_of(voucher)
    if card is None:
        return 0
    return stamps_on_card(card, entries=[collected_of(each) for each in use.records if each.stamp], at=now)
