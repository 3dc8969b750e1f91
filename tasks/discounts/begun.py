"""A discount that had begun in another system: how far it had come, and the rows that it gets here."""

import hashlib
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from domain.allowance import is_used_up
from domain.discount_import import Misfit, misfits, progress_elsewhere
from domain.recurrence import Period, Progress
from domain.reversal import is_completed
from domain.value_class import value
from models.discounts.discount import DiscountStatus
from models.discounts.row_types import NewDiscountRow
from models.discounts.values import recurrence_of
from models.vouchers.total import total_minor_of
from tasks.discounts.messages import ImportDiscount

MISFITS = {
    Misfit.CYCLES: {"field": "cycles", "message": "must not be more than the voucher's discounts last"},
    Misfit.LAST_CYCLE: {"field": "lastCycle.start", "message": "must lie in the window of the voucher's discounts"},
    Misfit.TAKEN: {"field": "taken", "message": "must not be more than the balance or maximumDiscountInAll"},
}
IN_FUTURE = {"field": "redeemedAt", "message": "must not lie in the future"}


@value
class Begun:
    """A discount of a request with the terms of our voucher, its progress and its status at this moment."""

    request: ImportDiscount
    row: NewDiscountRow
    progress: Progress
    status: DiscountStatus

    def errors(self, *, now: datetime) -> list[dict[str, str]]:
        """Return what the discount cannot have had by the terms of the voucher."""
        ruled_out = misfits(
            recurrence_of(self.row),
            total_minor=total_minor_of(self.row),
            progress=self.progress,
            taken=self.request.taken,
        )
        future = [IN_FUTURE] if self.request.redeemed_at > now else []
        return [*future, *(MISFITS[each] for each in ruled_out)]


def begun(request: ImportDiscount, *, row: NewDiscountRow, today: date) -> Begun:
    """Return the discount of a request. `row` is as it would be added if it were redeemed now."""
    last, recurrence = request.last_cycle, recurrence_of(row)
    progress = progress_elsewhere(
        recurrence,
        first_start=request.first_cycle_start,
        cycles=request.cycles,
        last_cycle=None if last is None else Period(start=last.start, end=last.end),
    )
    is_over = is_completed(recurrence, progress=progress, is_used_up=_is_used_up(row, request), today=today)
    status = DiscountStatus.COMPLETED if is_over else DiscountStatus.RUNNING
    return Begun(request=request, row=row, progress=progress, status=status)


def import_request_id(ref: str) -> str:
    """Return the request id of the redemption of an imported discount, from the id that it had elsewhere.

    So the caller can compute the id, and retrieve the redemption by it, however long the reference is.
    """
    return f"import-{hashlib.sha256(ref.encode()).hexdigest()}"


def new_discount(request: ImportDiscount, *, id: UUID) -> dict[str, Any]:  # noqa: A002 - the column's name
    """Return the columns of a discount that its voucher does not decide."""
    return {
        "project": request.project,
        "id": id,
        "voucher_id": request.voucher,
        "customer": request.customer,
        "subscription": request.subscription,
        # The discounts of an invoice are in the order redeemed.
        "created_at": request.redeemed_at,
        "starts_on": request.starts_on or request.redeemed_at.date(),
        "starts_on_in_utc": request.starts_on or request.redeemed_at.astimezone(UTC).date(),
    }


def begun_discount(of: Begun, *, at: datetime) -> dict[str, Any]:
    """Return the columns of the discount with its progress."""
    return {
        **new_discount(of.request, id=of.row.id),
        **_cycles(of.progress),
        "ends_on": of.progress.ends_on,
        "status": of.status.value,
        "completed_at": at if of.status is DiscountStatus.COMPLETED else None,
        "is_imported": True,
    }


def imported_discount(of: Begun, *, at: datetime) -> SimpleNamespace:
    """Return the row of `imported_discounts`."""
    return SimpleNamespace(
        project=of.request.project,
        discount_id=of.row.id,
        ref=of.request.ref,
        actor=of.request.actor,
        subscription=of.request.subscription,
        **_cycles(of.progress),
        taken_minor=of.request.taken,
        status=of.status.value,
        ends_on=of.progress.ends_on,
        created_at=at,
    )


def redemption_of(of: Begun, *, fingerprint: bytes, code: str | None, number: int, at: datetime) -> SimpleNamespace:
    """Return the row of the redemption, which was accepted in the other system. `code` is the voucher's own."""
    return SimpleNamespace(
        project=of.request.project,
        request_id=import_request_id(of.request.ref),
        id=of.row.id,
        fingerprint=fingerprint,
        voucher_id=of.request.voucher,
        code=code,
        customer=of.request.customer,
        subscription=of.request.subscription,
        reason=None,
        redemption_number=number,
        effective_at=of.request.redeemed_at,
        decided_at=at,
        code_id=None,
        other_discount_id=None,
    )


def _cycles(progress: Progress) -> dict[str, Any]:
    return {
        "cycles": progress.cycles,
        "first_cycle_start": progress.first_start,
        "last_cycle_start": progress.last_start,
        "last_cycle_end": progress.last_end,
    }


def _is_used_up(row: NewDiscountRow, request: ImportDiscount) -> bool:
    total_minor = total_minor_of(row)
    if total_minor is None:
        return False
    named = {currency: amount for currency, amount in request.taken.items() if currency in total_minor}
    return is_used_up(total_minor, taken_minor=named)
