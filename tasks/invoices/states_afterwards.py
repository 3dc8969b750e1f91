"""The states of discounts after a reversal: without the invoice, or with a total that refunds have refilled."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from domain.recurrence import Period, Progress
from domain.reversal import is_completed, progress_through
from domain.value_class import value
from models.discounts.discount import DiscountStatus
from models.discounts.imported import find_imported, progress_before
from models.discounts.locks import DiscountKey
from models.discounts.of_subscription import is_running
from models.discounts.progress import DiscountState, rewind_discounts, set_statuses
from models.discounts.row_types import DiscountRow
from models.discounts.values import progress_of, recurrence_of
from models.invoices.given_back import remaining_entries
from models.invoices.row_types import InvoiceRow
from tasks.discounts.room import Room, place_of


@value
class _Rewound:
    """A discount with its progress after the reversal."""

    row: DiscountRow
    progress: Progress
    # Whether it has a total of which nothing is left.
    is_used_up: bool


def give_cycle_back(
    session: Session,
    *,
    invoice: InvoiceRow,
    discounts: Sequence[DiscountRow],
    used_up: Collection[UUID],
    beside: Sequence[DiscountRow],
    at: datetime,
) -> Mapping[DiscountKey, DiscountState]:
    """Rewind locked discounts to their state without the invoice, and return the new states.

    `used_up` are the discounts of whose totals nothing is left. Call it after locking the subscriptions that the
    discounts are on now, and `beside`, the other running discounts there.
    A discount runs again if it has something left and was not ended. But it stays `completed` if its voucher runs on
    its subscription through another redemption, if a hold reserves that, if it cannot be combined with what runs or is
    held there, or if 20 discounts run there already. It then counts against no limit, but later invoices are still
    discounted by it.
    """
    entries_of_each = remaining_entries(session, keys=[(each.project, each.id) for each in discounts])
    imported = find_imported(session, keys=[(each.project, each.id) for each in discounts if each.is_imported])
    rewound = []
    for row, entries in zip(discounts, entries_of_each, strict=True):
        others = [each for each in entries if each.invoice != invoice.invoice]
        cycles = [Period(start=each.cycle_start, end=each.cycle_end) for each in others]
        elsewhere = progress_before(imported.get((row.project, row.id)))
        progress = progress_through(recurrence_of(row), cycles=cycles, elsewhere=elsewhere)
        rewound.append(_Rewound(row=row, progress=progress, is_used_up=row.id in used_up))
    states = _states(session, rewound, beside=beside, at=at)
    rewind_discounts(session, states=states, at=at)
    return states


def refill_totals(
    session: Session,
    *,
    discounts: Sequence[DiscountRow],
    used_up: Collection[UUID],
    beside: Sequence[DiscountRow],
    at: datetime,
) -> Mapping[DiscountKey, DiscountState]:
    """Let locked discounts whose totals got a refund back run again, by the rules of `give_cycle_back`.

    Return the states, and those of the other discounts too. No progress changes, because a refund gives no cycle back.
    """
    refilled = [_Rewound(row=each, progress=progress_of(each), is_used_up=each.id in used_up) for each in discounts]
    states = _states(session, refilled, beside=beside, at=at)
    set_statuses(session, states=states, at=at)
    return {**present_states(beside, today=at.date()), **states}


def present_states(discounts: Iterable[DiscountRow], *, today: date) -> Mapping[DiscountKey, DiscountState]:
    """Return the states of discounts that a reversal does not change. An ended window completes, swept or not."""
    return {(each.project, each.id): _present_state(each, today=today) for each in discounts}


def _states(
    session: Session, rewound: Sequence[_Rewound], *, beside: Sequence[DiscountRow], at: datetime
) -> dict[DiscountKey, DiscountState]:
    today = at.date()
    room = Room.read(session, beside=beside, subscriptions=[place_of(each.row).subscription for each in rewound], at=at)
    states: dict[DiscountKey, DiscountState] = {}
    # Discounts that run now come first, so they run on if the limit is too low for all.
    for each in sorted(rewound, key=lambda each: not is_running(each.row, today=today)):
        status = _status_of(each, has_room=room.refusal(place_of(each.row)) is None, today=today)
        if status is DiscountStatus.RUNNING:
            room.take(place_of(each.row))
        states[each.row.project, each.row.id] = DiscountState(progress=each.progress, status=status)
    return states


def _status_of(rewound: _Rewound, *, has_room: bool, today: date) -> DiscountStatus:
    if rewound.row.status == DiscountStatus.ENDED:
        return DiscountStatus.ENDED
    is_over = is_completed(
        recurrence_of(rewound.row), progress=rewound.progress, is_used_up=rewound.is_used_up, today=today
    )
    return DiscountStatus.COMPLETED if is_over or not has_room else DiscountStatus.RUNNING


def _present_state(row: DiscountRow, *, today: date) -> DiscountState:
    status = DiscountStatus(row.status)
    if status is DiscountStatus.RUNNING and not is_running(row, today=today):
        status = DiscountStatus.COMPLETED
    return DiscountState(progress=progress_of(row), status=status)
