"""Usage as it is reported: one item for each customer of a voucher, whose statistics are the sums of its entries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from domain.allowance import allowance_left
from domain.reversal import GIVING_BACK
from domain.stamps import stamps_on_card
from models.base import StoredRow
from models.usages.record import collected_of, stamp_card_of
from tasks.wire.answers import Answer, identity, instant
from tasks.wire.fields import type_id

# What an applied invoice is called among the references. It is one use of the discount.
INVOICE = "invoice"
# What takes back an invoice's use, or a refunded part of its amount.
REVERSAL = "reversal"


@dataclass(slots=True)
class Use:
    """What one customer was granted of a voucher, what that took off invoices, and what was recorded; oldest first."""

    grants: list[StoredRow] = field(default_factory=list)
    entries: list[StoredRow] = field(default_factory=list)
    records: list[StoredRow] = field(default_factory=list)
    reversals: list[StoredRow] = field(default_factory=list)


def uses_by_customer(
    *,
    grants: Iterable[StoredRow],
    entries: Iterable[StoredRow],
    records: Iterable[StoredRow],
    reversals: Iterable[StoredRow],
) -> defaultdict[str, Use]:
    """This function will put the rows, each kind given oldest first, to their customers."""
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


def usage_item(use: Use, *, customer: str, voucher: StoredRow, now: datetime) -> Answer:
    """This function will return a customer's use of a voucher as callers see it.

    It has the identity of what came first, a discount or a record, and keeps it.
    """
    oldest = min((*use.grants[:1], *use.records[:1]), key=lambda each: each.created_at)
    rows = (*use.grants, *use.entries, *use.records, *use.reversals)
    return {
        "id": type_id("use", oldest.id),
        "refId": identity("dis", use.grants[0].id if use.grants else None),
        "discountId": type_id("vou", voucher.id),
        "customerId": customer,
        "createdAt": instant(oldest.created_at),
        "updatedAt": instant(max(each.created_at for each in rows)),
        "createdBy": oldest.created_by if oldest in use.records else None,
        "usageRefs": _usage_refs(use),
        "statistics": _statistics(use, voucher=voucher, now=now),
    }


def _usage_refs(use: Use) -> list[Answer]:
    dated = [(each.created_at, each.id, _invoice_ref(each)) for each in use.entries]
    dated += [(each.created_at, each.id, _record_ref(each)) for each in use.records]
    dated += [(each.created_at, each.id, _reversal_ref(each)) for each in use.reversals]
    return [ref for _, _, ref in sorted(dated, key=lambda each: each[:2])]


def _invoice_ref(entry: StoredRow) -> Answer:
    return {
        "ref": entry.invoice,
        "refType": INVOICE,
        "usage": 1,
        "stamp": 0,
        "amount": entry.amount_minor,
        "createdAt": instant(entry.created_at),
        "createdBy": None,
    }


def _reversal_ref(reversal: StoredRow) -> Answer:
    return {
        "ref": reversal.invoice,
        "refType": REVERSAL,
        "usage": -1 if reversal.reason in GIVING_BACK else 0,
        "stamp": 0,
        "amount": reversal.amount_minor,
        "createdAt": instant(reversal.created_at),
        "createdBy": None,
    }


def _record_ref(record: StoredRow) -> Answer:
    return {
        "ref": record.ref,
        "refType": record.ref_type,
        "usage": record.usage,
        "stamp": record.stamp,
        "amount": record.amount_minor,
        "createdAt": instant(record.created_at),
        "createdBy": record.created_by,
    }


def _statistics(use: Use, *, voucher: StoredRow, now: datetime) -> Answer:
    usage = len(use.entries) - len(_given_back(use)) + sum(each.usage for each in use.records)
    return {
        "stamp": sum(each.stamp for each in use.records),
        "used": usage,
        "usage": usage,
        "amount": sum(each.amount_minor for each in (*use.entries, *use.records, *use.reversals)),
        "debitBalance": _debit_balance(use, currency=voucher.currency) if voucher.carry_over else None,
        "currentStamp": _current_stamp(use, voucher=voucher, now=now),
    }


def _given_back(use: Use) -> list[StoredRow]:
    return [each for each in use.reversals if each.reason in GIVING_BACK]


def _debit_balance(use: Use, *, currency: str) -> int:
    taken: defaultdict[object, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    # A refund leaves a balance as it is: what was bought with it was had.
    for entry in (*use.entries, *_given_back(use)):
        taken[entry.discount_id][entry.currency] += entry.amount_minor
    return sum(allowance_left(each.amounts_minor, currency=currency, taken_minor=taken[each.id]) for each in use.grants)


def _current_stamp(use: Use, *, voucher: StoredRow, now: datetime) -> int:
    card = stamp_card_of(voucher)
    if card is None:
        return 0
    return stamps_on_card(card, entries=[collected_of(each) for each in use.records if each.stamp], at=now)
