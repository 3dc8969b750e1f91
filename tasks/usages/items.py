"""The items of a usage list: each customer of a voucher with the sums of all entries, and the newest entries."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.allowance import allowance_left
from domain.stamp_card import stamps_on_card
from models.usages.by_customer import FirstUsageRow, StampsRow, UsageGrantRow
from models.usages.history import HistoryEntryRow, HistorySumRow
from models.usages.recorded_usage import StampCardRow, collected_of, stamp_card_of
from models.vouchers.row_types import ShownTotalRow
from models.vouchers.total import total_currency_of, total_minor_of
from tasks.wire.answers import Answer, identity, instant
from tasks.wire.fields import type_id

# The entries of an item. The rest is read in pages of the same size.
REFS_MAX = 100
# ISO 4217's code for no currency: of amounts that were recorded without one.
NO_CURRENCY = "XXX"
# The minor units that discounts have taken of their totals, by discount and currency.
Taken = Mapping[UUID, Mapping[str, int]]


class FirstRow(Protocol):
    """The columns of a customer's first discount or record."""

    id: UUID
    created_at: datetime


class UsageVoucherRow(StampCardRow, ShownTotalRow, Protocol):
    """The columns of a voucher that its usage items need."""

    id: UUID


@dataclass(slots=True)
class Use:
    """The use of a voucher by a customer. Each list is sorted, the oldest row first."""

    grants: list[UsageGrantRow] = field(default_factory=list)
    first_record: FirstUsageRow | None = None
    sums: list[HistorySumRow] = field(default_factory=list)
    # The newest entries, one more than an item shows if there is one.
    entries: list[HistoryEntryRow] = field(default_factory=list)
    stamps: list[StampsRow] = field(default_factory=list)


def usage_item(use: Use, *, customer: str, voucher: UsageVoucherRow, taken: Taken, now: datetime) -> Answer:
    """Return the item of a customer in the usage list of a voucher.

    The item has the id of the customer's first discount or record, so that the id never changes.
    """
    firsts: list[FirstRow] = [*use.grants[:1], *([use.first_record] if use.first_record else [])]
    oldest = min(firsts, key=lambda each: each.created_at)
    shown = use.entries[-REFS_MAX:]
    return {
        "id": type_id("use", oldest.id),
        "refId": identity("dis", use.grants[0].id if use.grants else None),
        "discountId": type_id("vou", voucher.id),
        "customerId": customer,
        "createdAt": instant(oldest.created_at),
        "updatedAt": instant(max([each.created_at for each in use.grants] + [each.last_at for each in use.sums])),
        "createdBy": use.first_record.created_by if use.first_record and oldest is use.first_record else None,
        "usageRefs": [_usage_ref(each) for each in shown],
        "moreRefsBefore": type_id("use", shown[0].id) if len(use.entries) > len(shown) else None,
        "statistics": _statistics(use, voucher=voucher, taken=taken, now=now),
    }


def _usage_ref(entry: HistoryEntryRow) -> Answer:
    return {
        "id": type_id("use", entry.id),
        "ref": entry.ref,
        "refType": entry.ref_type,
        "usage": entry.usage,
        "stamp": entry.stamp,
        "amount": entry.amount_minor,
        "currency": entry.currency,
        "createdAt": instant(entry.created_at),
        "createdBy": entry.created_by,
    }


def _statistics(use: Use, *, voucher: UsageVoucherRow, taken: Taken, now: datetime) -> Answer:
    usage = sum(each.usage for each in use.sums)
    return {
        "stamp": sum(each.stamp for each in use.sums),
        "used": usage,
        "usage": usage,
        "amounts": _amounts(use),
        "debitBalance": _debit_balance(use, voucher=voucher, taken=taken),
        "currentStamp": _current_stamp(use, voucher=voucher, now=now),
    }


def _amounts(use: Use) -> dict[str, int]:
    amounts: defaultdict[str, int] = defaultdict(int)
    for each in use.sums:
        amounts[each.currency or NO_CURRENCY] += each.amount_minor
    return {currency: amount for currency, amount in sorted(amounts.items()) if amount}


def _debit_balance(use: Use, *, voucher: UsageVoucherRow, taken: Taken) -> int | None:
    currency = total_currency_of(voucher)
    if currency is None:
        return None
    totals = [(each.id, total) for each in use.grants if (total := total_minor_of(each)) is not None]
    return sum(allowance_left(total, currency=currency, taken_minor=taken.get(id_, {})) for id_, total in totals)


def _current_stamp(use: Use, *, voucher: UsageVoucherRow, now: datetime) -> int:
    card = stamp_card_of(voucher)
    if card is None:
        return 0
    return stamps_on_card(card, entries=[collected_of(each) for each in use.stamps], at=now)
