"""Giving discounts their cycle back: where each is when one of its invoices counts as if it had never been."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from types import SimpleNamespace
from uuid import UUID

from sqlalchemy.orm import Session

from domain.allowance import is_used_up
from domain.eligibility import DISCOUNTS_PER_SUBSCRIPTION_MAX
from domain.recurrence import Period
from domain.reversal import counts_as_over, progress_through
from domain.terms import FixedDiscount
from models.base import StoredRow
from models.discounts.discount import DiscountStatus
from models.discounts.of_subscription import is_within_window
from models.discounts.progress import complete, rewind
from models.discounts.values import recurrence_of
from models.invoices.unreversed import unreversed_entries
from models.redemptions.hold import find_held_vouchers
from models.vouchers.values import price_discount_of


def give_cycle_back(
    session: Session, *, invoice: StoredRow, discounts: Sequence[StoredRow], beside: Sequence[StoredRow], at: datetime
) -> list[SimpleNamespace]:
    """This function will store where the locked discounts are without that invoice, and return that.

    The subscription is locked, and so are the others that run `beside` them on it. One that has something to give
    again runs again, unless an operator ended it. Where its voucher runs there by another redemption or is held for it,
    or as many discounts run as may, it stays completed, which takes no place, and gives what it has to give all the
    same.
    """
    keys = [(each.project, each.id) for each in discounts]
    today = at.date()
    others = _running_beside(session, beside=beside, today=today)
    held = find_held_vouchers(
        session,
        project=invoice.project,
        subscription=invoice.subscription,
        vouchers=[each.voucher_id for each in discounts],
        now=at,
    )
    states = []
    standing = zip(discounts, unreversed_entries(session, keys=keys), strict=True)
    # Those that run keep their places.
    for row, entries in sorted(standing, key=lambda each: not _runs(each[0], today=today)):
        state = _state_without(row, entries=[each for each in entries if each.invoice != invoice.invoice])
        state.status = _status_after(state, row=row, others=others, held=held, today=today)
        if state.status == DiscountStatus.RUNNING:
            others.append(row.voucher_id)
        states.append(state)
    rewind(session, states=map(vars, states))
    return states


def _running_beside(session: Session, *, beside: Sequence[StoredRow], today: date) -> list[UUID]:
    """This function will return the vouchers of the other discounts that run, and complete those that are over."""
    running = [each for each in beside if each.status == DiscountStatus.RUNNING]
    complete(session, keys=[(each.project, each.id) for each in running if not is_within_window(each, today=today)])
    return [each.voucher_id for each in running if is_within_window(each, today=today)]


def _runs(row: StoredRow, *, today: date) -> bool:
    # Swept or not.
    return row.status == DiscountStatus.RUNNING and is_within_window(row, today=today)


def _state_without(row: StoredRow, *, entries: Sequence[StoredRow]) -> SimpleNamespace:
    periods = [Period(start=each.period_start, end=each.period_end) for each in entries]
    progress = progress_through(recurrence_of(row), periods=periods)
    taken: dict[str, int] = {}
    for each in entries:
        taken[each.currency] = taken.get(each.currency, 0) + each.amount_minor
    price = price_discount_of(row)
    return SimpleNamespace(
        project=row.project,
        id=row.id,
        voucher_id=row.voucher_id,
        first_period_start=progress.first_start,
        last_period_start=progress.last_start,
        last_period_end=progress.last_end,
        cycles=progress.cycles,
        ends_on=progress.ends_on,
        progress=progress,
        is_used_up=row.carry_over
        and isinstance(price, FixedDiscount)
        and is_used_up(price.amounts_minor, taken_minor=taken),
    )


def _status_after(
    state: SimpleNamespace, *, row: StoredRow, others: Sequence[UUID], held: Collection[UUID], today: date
) -> str:
    if row.status == DiscountStatus.ENDED:
        return DiscountStatus.ENDED.value
    is_over = counts_as_over(recurrence_of(row), progress=state.progress, is_used_up=state.is_used_up, today=today)
    is_taken = row.voucher_id in others or row.voucher_id in held
    has_no_place = is_taken or len(others) >= DISCOUNTS_PER_SUBSCRIPTION_MAX
    return (DiscountStatus.COMPLETED if is_over or has_no_place else DiscountStatus.RUNNING).value
