"""The answers about a discount, with its history, and about changes that were refused."""

from datetime import datetime
from typing import Any

from domain.discount_change import ChangeKind, ChangeRefusal
from models.discounts.row_types import ListedDiscountRow, RecurrenceRow
from tasks.discounts.messages import ExtendDiscount, MoveDiscount
from tasks.vouchers.answers import maximum_discount, maximum_discount_in_all, price_discount, recurrence
from tasks.wire.answers import Answer, day, instant, percentage
from tasks.wire.fields import type_id


def discount_answer(row: ListedDiscountRow) -> Answer:
    """Return a discount as callers see it."""
    return {
        "object": "discount",
        "id": type_id("dis", row.id),
        "project": row.project,
        "createdAt": instant(row.created_at),
        "updatedAt": instant(row.updated_at),
        "voucher": type_id("vou", row.voucher_id),
        "customer": row.customer,
        "subscription": row.subscription,
        "priceDiscount": price_discount(row),
        "priceDiscountPercentage": percentage(row.percentage_millionths),
        "recurrence": recurrence(row),
        "carryOver": row.carry_over,
        "exclusive": row.exclusive,
        "priority": row.priority,
        "maximumDiscount": maximum_discount(row),
        "maximumDiscountInAll": maximum_discount_in_all(row),
        "products": row.products,
        "excludedProducts": row.excluded_products,
        "minimumSubtotal": _minimum_subtotal(row),
        "startsOn": day(row.starts_on),
        "firstCycleStart": day(row.first_cycle_start),
        "fullPriceFrom": day(row.ends_on),
        "cycles": row.cycles,
        "status": row.status,
        "completedAt": instant(row.completed_at),
        "endedAt": instant(row.ended_at),
        "imported": _imported(row),
        "history": [*(_change_answer(each, row=row) for each in row.history), _grant_answer(row)],
    }


def _minimum_subtotal(row: ListedDiscountRow) -> Answer | None:
    if row.minimum_subtotal_minor is None:
        return None
    return {"amount": row.minimum_subtotal_minor, "currency": row.minimum_subtotal_currency, "on": "invoice"}


def change_refused(request: MoveDiscount | ExtendDiscount, reason: ChangeRefusal) -> Answer:
    """Return the refusal of a change."""
    return {
        "object": "discount",
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": reason.value,
        "retryable": reason is ChangeRefusal.FULLY_RESERVED,
    }


def _change_answer(change: dict[str, Any], *, row: ListedDiscountRow) -> Answer:
    before, after = _states(change, row=row)
    return {
        "kind": change["kind"],
        "actor": change["actor"],
        "note": change["note"],
        "from": before,
        "to": after,
        "at": instant(datetime.fromisoformat(change["created_at"])),
    }


def _states(change: dict[str, Any], *, row: ListedDiscountRow) -> tuple[Answer, Answer] | tuple[None, None]:
    if change["kind"] == ChangeKind.ENDED:
        return None, None
    column = "subscription" if change["kind"] == ChangeKind.MOVED else "duration"
    name = column if change["kind"] == ChangeKind.MOVED else _unit_of(row)
    return {name: change[f"from_{column}"]}, {name: change[f"to_{column}"]}


def _grant_answer(row: ListedDiscountRow) -> Answer:
    # The redemption granted the discount, so no operator did, unless it came from another system.
    imported = row.imported
    return {
        "kind": "granted" if imported is None else "imported",
        "actor": imported and imported["actor"],
        "note": None,
        "from": None,
        "to": None,
        "at": instant(row.created_at if imported is None else datetime.fromisoformat(imported["created_at"])),
    }


def _imported(row: ListedDiscountRow) -> Answer | None:
    if row.imported is None:
        return None
    return {"ref": row.imported["ref"], "cycles": row.imported["cycles"], "taken": row.imported["taken_minor"]}


def _unit_of(row: RecurrenceRow) -> str:
    return "durationInMonths" if row.duration_in_cycles is None else "durationInCycles"
