"""Store the progress of discounts: invoices advance a discount, reversals rewind it, and it completes in the end."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Date, Integer, Text, Uuid, and_, bindparam, case, null, or_, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from domain.recurrence import Progress
from domain.value_class import value
from models.base import Instant, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS, DiscountStatus
from models.discounts.locks import DiscountKey

_PROGRESS: dict[str, TypeEngine[Any]] = {
    "first_cycle_start": Date(),
    "last_cycle_start": Date(),
    "cycles": Integer(),
    "ends_on": Date(),
    "last_cycle_end": Date(),
}
_KEY: dict[str, TypeEngine[Any]] = {"project": Text(), "id": Uuid()}
_ADVANCED_BY = {**_KEY, **_PROGRESS, "is_used_up": Boolean()}
_REWOUND_TO = {**_KEY, **_PROGRESS, "status": Text()}
_KEYS = rows_from_arrays("keys", **_KEY)
_ADVANCED = rows_from_arrays("advanced", **_ADVANCED_BY)
_WITH_STATUS = rows_from_arrays("with_status", **_KEY, status=Text())
_REWOUND = rows_from_arrays("rewound", **_REWOUND_TO)

_AT = bindparam("at", type_=Instant)
_IS_RUNNING = DISCOUNTS.c.status == text("'running'")
# A discount for a single invoice completes with that invoice, a balance with its last unit.
_IS_OVER = or_(DISCOUNTS.c.recurrence == text("'once'"), _ADVANCED.c.is_used_up)
_ADVANCE = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _ADVANCED.c.project, DISCOUNTS.c.id == _ADVANCED.c.id)
    .values(
        **{name: _ADVANCED.c[name] for name in _PROGRESS},
        status=case((_IS_OVER, text("'completed'")), else_=DISCOUNTS.c.status),
        completed_at=case((and_(_IS_RUNNING, _IS_OVER), _AT), else_=DISCOUNTS.c.completed_at),
        updated_at=_AT,
    )
)
_REWIND = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _REWOUND.c.project, DISCOUNTS.c.id == _REWOUND.c.id)
    .values(
        **{name: _REWOUND.c[name] for name in _PROGRESS},
        status=_REWOUND.c.status,
        completed_at=case(
            (_REWOUND.c.status == text("'running'"), null()),
            (and_(_IS_RUNNING, _REWOUND.c.status == text("'completed'")), _AT),
            else_=DISCOUNTS.c.completed_at,
        ),
        updated_at=_AT,
        entries_given_back=DISCOUNTS.c.entries_given_back + 1,
    )
)
_SET_STATUS = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _WITH_STATUS.c.project, DISCOUNTS.c.id == _WITH_STATUS.c.id)
    .where(DISCOUNTS.c.status != _WITH_STATUS.c.status)
    .values(
        status=_WITH_STATUS.c.status,
        completed_at=case((_WITH_STATUS.c.status == text("'completed'"), _AT)),
        updated_at=_AT,
    )
)

_CREDITED = rows_from_arrays("credited", **_KEY, entries=Integer())
_COUNT_CREDITED = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _CREDITED.c.project, DISCOUNTS.c.id == _CREDITED.c.id)
    .values(entries_credited=DISCOUNTS.c.entries_credited + _CREDITED.c.entries)
)

_LOCKED = (
    select(DISCOUNTS.c.project, DISCOUNTS.c.id)
    .join(_KEYS, and_(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id))
    .order_by(DISCOUNTS.c.id)
    .with_for_update(of=DISCOUNTS, key_share=True)
    .cte("locked")
)
_COMPLETE = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _LOCKED.c.project, DISCOUNTS.c.id == _LOCKED.c.id)
    .values(
        status=DiscountStatus.COMPLETED.value,
        completed_at=case((_IS_RUNNING, _AT), else_=DISCOUNTS.c.completed_at),
        updated_at=_AT,
    )
)


@value
class DiscountState:
    """The progress and the status of a discount."""

    progress: Progress
    status: DiscountStatus


def advance_discounts(
    session: Session, *, progress: Iterable[tuple[DiscountKey, Progress, bool]], at: datetime
) -> None:
    """Store the new progress of locked discounts, and whether a discount is used up and so completed."""
    rows = ((*key, *_columns(each), is_used_up) for key, each, is_used_up in progress)
    session.execute(_ADVANCE, {**array_parameters("advanced", tuple(_ADVANCED_BY), rows), "at": at})


def rewind_discounts(session: Session, *, states: Mapping[DiscountKey, DiscountState], at: datetime) -> None:
    """Store the new state of locked discounts, and count one more ledger entry of each that was given back."""
    rows = ((*key, *_columns(each.progress), each.status.value) for key, each in states.items())
    session.execute(_REWIND, {**array_parameters("rewound", tuple(_REWOUND_TO), rows), "at": at})


def set_statuses(session: Session, *, states: Mapping[DiscountKey, DiscountState], at: datetime) -> None:
    """Store the new status of locked discounts. Their progress stays."""
    rows = ((*key, each.status.value) for key, each in states.items())
    session.execute(_SET_STATUS, {**array_parameters("with_status", (*_KEY, "status"), rows), "at": at})


def count_credited(session: Session, *, entries: Mapping[DiscountKey, int]) -> None:
    """Count further credits of each locked discount's entries. Without any, send no statement."""
    if entries:
        rows = ((*key, count) for key, count in entries.items())
        session.execute(_COUNT_CREDITED, array_parameters("credited", (*_KEY, "entries"), rows))


def complete_discounts_by_id(session: Session, *, keys: Iterable[DiscountKey], at: datetime) -> None:
    """Lock discounts, ascending by id, and set their status to completed. Without keys, send no statement."""
    to_complete = set(keys)
    if to_complete:
        session.execute(_COMPLETE, {**array_parameters("keys", ("project", "id"), to_complete), "at": at})


def _columns(progress: Progress) -> tuple[Any, ...]:
    return progress.first_start, progress.last_start, progress.cycles, progress.ends_on, progress.last_end
