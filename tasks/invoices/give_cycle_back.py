"""Give discounts their cycle back, when an invoice was voided or its payment failed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from domain.allowance import is_used_up
from domain.eligibility import DISCOUNTS_PER_SUBSCRIPTION_MAX
from domain.recurrence import Period, Progress
from domain.reversal import is_completed, progress_through
from domain.terms import FixedDiscount
from models.discounts.discount import DiscountStatus
from models.discounts.locks import DiscountKey
from models.discounts.of_subscription import is_within_window
from models.discounts.progress import DiscountState, complete_discounts_by_id, rewind_discounts
from models.discounts.row_types import DiscountRow
from models.discounts.values import recurrence_of
from models.invoices.given_back import remaining_entries
from models.invoices.row_types import EntryRow, InvoiceRow
from models.redemptions.hold import find_held_vouchers
from models.vouchers.values import price_discount_of


def give_cycle_back(
    session: Session,
    *,
    invoice: InvoiceRow,
    discounts: Sequence[DiscountRow],
    beside: Sequence[DiscountRow],
    at: datetime,
) -> Mapping[DiscountKey, DiscountState]:
    """Rewind locked discounts to their state without the invoice, and return the new states.

    Call it after locking the subscription and `beside`, the other running discounts of the subscription.
    A discount runs again if it has something left and was not ended. But it stays `completed` if its voucher runs on
    the subscription through another redemption, if a hold reserves that, or if 20 discounts run there already. It then
    counts against no limit, but later invoices are still discounted by it.
    """
    today = at.date()
    running = _complete_expired(session, beside, today=today)
    held = find_held_vouchers(
        session,
        project=invoice.project,
        subscription=invoice.subscription,
        vouchers=[each.voucher_id for each in discounts],
        now=at,
    )
    states: dict[DiscountKey, DiscountState] = {}
    entries_of_each = remaining_entries(session, keys=[(each.project, each.id) for each in discounts])
    # Discounts that run now come first, so they run on if the limit is too low for all.
    for row, entries in sorted(
        zip(discounts, entries_of_each, strict=True), key=lambda each: not _is_running(each[0], today=today)
    ):
        others = [each for each in entries if each.invoice != invoice.invoice]
        state = _state_with(others, row=row, running=running, held=held, today=today)
        if state.status is DiscountStatus.RUNNING:
            running.append(row.voucher_id)
        states[row.project, row.id] = state
    rewind_discounts(session, states=states)
    return states


def _complete_expired(session: Session, beside: Sequence[DiscountRow], *, today: date) -> list[UUID]:
    """Complete the running discounts whose window has ended, and return the vouchers of the others."""
    running = [each for each in beside if each.status == DiscountStatus.RUNNING]
    expired = [each for each in running if not is_within_window(each, today=today)]
    complete_discounts_by_id(session, keys=[(each.project, each.id) for each in expired])
    return [each.voucher_id for each in running if is_within_window(each, today=today)]


def _is_running(row: DiscountRow, *, today: date) -> bool:
    return row.status == DiscountStatus.RUNNING and is_within_window(row, today=today)


def _state_with(
    entries: Sequence[EntryRow], *, row: DiscountRow, running: Sequence[UUID], held: Collection[UUID], today: date
) -> DiscountState:
    cycles = [Period(start=each.cycle_start, end=each.cycle_end) for each in entries]
    progress = progress_through(recurrence_of(row), cycles=cycles)
    if row.status == DiscountStatus.ENDED:
        return DiscountState(progress=progress, status=DiscountStatus.ENDED)
    must_not_run = row.voucher_id in running or row.voucher_id in held or len(running) >= DISCOUNTS_PER_SUBSCRIPTION_MAX
    if must_not_run or _is_completed(row, progress=progress, entries=entries, today=today):
        return DiscountState(progress=progress, status=DiscountStatus.COMPLETED)
    return DiscountState(progress=progress, status=DiscountStatus.RUNNING)


def _is_completed(row: DiscountRow, *, progress: Progress, entries: Sequence[EntryRow], today: date) -> bool:
    price, taken_minor = price_discount_of(row), dict[str, int]()
    for each in entries:
        taken_minor[each.currency] = taken_minor.get(each.currency, 0) + each.amount_minor
    is_empty_balance = (
        row.carry_over and isinstance(price, FixedDiscount) and is_used_up(price.amounts_minor, taken_minor=taken_minor)
    )
    return is_completed(recurrence_of(row), progress=progress, is_used_up=is_empty_balance, today=today)
