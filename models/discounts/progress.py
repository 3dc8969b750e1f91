"""Where discounts are: as invoices advance them, as reversals rewind them, and completed when their window is over."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, Integer, Text, Uuid, and_, case, or_, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from domain.recurrence import Progress
from models.base import array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS, DiscountStatus

_PROGRESS: dict[str, TypeEngine[Any]] = {
    "first_period_start": Date(),
    "last_period_start": Date(),
    "cycles": Integer(),
    "ends_on": Date(),
    "last_period_end": Date(),
}
_KEY: dict[str, TypeEngine[Any]] = {"project": Text(), "id": Uuid()}
_ADVANCED_BY = {**_KEY, **_PROGRESS, "is_used_up": Boolean()}
_REWOUND_TO = {**_KEY, **_PROGRESS, "status": Text()}
_KEYS = rows_from_arrays("keys", **_KEY)
_ADVANCED = rows_from_arrays("advanced", **_ADVANCED_BY)
_REWOUND = rows_from_arrays("rewound", **_REWOUND_TO)

_ADVANCE = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _ADVANCED.c.project, DISCOUNTS.c.id == _ADVANCED.c.id)
    .values(
        **{name: _ADVANCED.c[name] for name in _PROGRESS},
        # One that was for a single invoice is over with it, and so is a balance with its last unit.
        status=case(
            (or_(DISCOUNTS.c.recurrence == text("'once'"), _ADVANCED.c.is_used_up), text("'completed'")),
            else_=DISCOUNTS.c.status,
        ),
    )
)
_REWIND = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _REWOUND.c.project, DISCOUNTS.c.id == _REWOUND.c.id)
    .values(
        **{name: _REWOUND.c[name] for name in _PROGRESS},
        status=_REWOUND.c.status,
        entries_given_back=DISCOUNTS.c.entries_given_back + 1,
    )
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
    .values(status=DiscountStatus.COMPLETED.value)
)


def save_progress(session: Session, *, progress: Iterable[tuple[str, UUID, Progress, bool]]) -> None:
    """This function will store how far each discount, given with its project, has come, and whether it is used up."""
    rows = (
        (project, id_, each.first_start, each.last_start, each.cycles, each.ends_on, each.last_end, used_up)
        for project, id_, each, used_up in progress
    )
    session.execute(_ADVANCE, array_parameters("advanced", tuple(_ADVANCED_BY), rows))


def rewind(session: Session, *, states: Iterable[Mapping[str, Any]]) -> None:
    """This function will store where locked discounts are, each after one more of its entries was given back."""
    session.execute(_REWIND, array_parameters("rewound", tuple(_REWOUND_TO), map(itemgetter(*_REWOUND_TO), states)))


def complete(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> None:
    """This function will mark those discounts as completed, locking them ascending by id."""
    over = set(keys)
    if over:
        session.execute(_COMPLETE, array_parameters("keys", ("project", "id"), over))
