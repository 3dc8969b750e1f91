"""The updates of a sweep, each of a bounded number of rows. Locked rows are skipped, and left for the next run."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, literal, select, text, update
from sqlalchemy.orm import Session

from domain.code_terms import CodeRetiredReason
from domain.hold import HoldStatus
from domain.terms import RetiredReason
from models.base import Instant, rows_affected
from models.codes.code import CODES
from models.discounts.discount import DISCOUNTS, DiscountStatus
from models.redemptions.hold import HOLDS, IS_OPEN
from models.vouchers.voucher import VOUCHERS


def retire_expired_vouchers(session: Session, *, now: datetime, batch_size: int) -> int:
    """Retire at most `batch_size` vouchers that have expired, and return their number."""
    return _retire_expired(session, VOUCHERS, reason=RetiredReason.EXPIRED, now=now, batch_size=batch_size)


def retire_full(session: Session, *, now: datetime, batch_size: int) -> int:
    """Retire at most `batch_size` vouchers that are full, and return their number."""
    reason = RetiredReason.MAX_REDEMPTIONS_REACHED
    return _retire_full(session, VOUCHERS, reason=reason, now=now, batch_size=batch_size)


def retire_expired_codes(session: Session, *, now: datetime, batch_size: int) -> int:
    """Retire at most `batch_size` codes whose own end has come, and return their number."""
    return _retire_expired(session, CODES, reason=CodeRetiredReason.EXPIRED, now=now, batch_size=batch_size)


def retire_full_codes(session: Session, *, now: datetime, batch_size: int) -> int:
    """Retire at most `batch_size` codes that are full, and return their number."""
    reason = CodeRetiredReason.MAX_REDEMPTIONS_REACHED
    return _retire_full(session, CODES, reason=reason, now=now, batch_size=batch_size)


def complete_discounts(session: Session, *, now: datetime, batch_size: int) -> int:
    """Complete at most `batch_size` discounts whose window has ended, and return their number."""
    return _update_due(
        session,
        DISCOUNTS,
        is_due=and_(DISCOUNTS.c.status == text("'running'"), DISCOUNTS.c.ends_on <= now.date()),
        order_by=DISCOUNTS.c.ends_on,
        batch_size=batch_size,
        values={
            "status": DiscountStatus.COMPLETED.value,
            "completed_at": literal(now, Instant),
            "updated_at": literal(now, Instant),
        },
    )


def _retire_expired(session: Session, table: Table, *, reason: StrEnum, now: datetime, batch_size: int) -> int:
    return _update_due(
        session,
        table,
        is_due=and_(table.c.retired_reason.is_(None), table.c.expires_at <= now),
        order_by=table.c.expires_at,
        batch_size=batch_size,
        values={"retired_reason": reason.value, "retired_at": table.c.expires_at},
    )


def _retire_full(session: Session, table: Table, *, reason: StrEnum, now: datetime, batch_size: int) -> int:
    return _update_due(
        session,
        table,
        is_due=and_(table.c.retired_reason.is_(None), table.c.is_full),
        order_by=table.c.id,
        batch_size=batch_size,
        values={"retired_reason": reason.value, "retired_at": literal(now, Instant)},
    )


def _update_due(
    session: Session,
    table: Table,
    *,
    is_due: ColumnElement[bool],
    order_by: ColumnElement[Any],
    batch_size: int,
    values: dict[str, Any],
) -> int:
    due = (
        select(table.c.project, table.c.id)
        .where(is_due)
        .order_by(order_by)
        .limit(batch_size)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")
    )
    rows = update(table).where(table.c.project == due.c.project, table.c.id == due.c.id)
    return rows_affected(session.execute(rows.values(values)))


_DUE_HOLDS = (
    select(HOLDS.c.project, HOLDS.c.id, HOLDS.c.voucher_id)
    .join(VOUCHERS, and_(VOUCHERS.c.project == HOLDS.c.project, VOUCHERS.c.id == HOLDS.c.voucher_id))
    .where(IS_OPEN, HOLDS.c.expires_at <= bindparam("now", type_=Instant))
    .order_by(HOLDS.c.expires_at)
    .limit(bindparam("batch_size"))
    # The voucher is locked too: a confirmation locks the voucher first, and then changes the hold.
    .with_for_update(of=[VOUCHERS, HOLDS], key_share=True, skip_locked=True)
    .cte("due")
)
_LAPSED = (
    update(HOLDS)
    .where(HOLDS.c.project == _DUE_HOLDS.c.project, HOLDS.c.id == _DUE_HOLDS.c.id)
    .values(status=HoldStatus.LAPSED.value, closed_at=HOLDS.c.expires_at)
    .returning(HOLDS.c.project, HOLDS.c.voucher_id)
    .cte("lapsed")
)
_LAPSED_BY_VOUCHER = (
    select(_LAPSED.c.project, _LAPSED.c.voucher_id, func.count().label("count"))
    .group_by(_LAPSED.c.project, _LAPSED.c.voucher_id)
    .cte("by_voucher")
)
_LAPSE_HOLDS = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _LAPSED_BY_VOUCHER.c.project, VOUCHERS.c.id == _LAPSED_BY_VOUCHER.c.voucher_id)
    .values(held=VOUCHERS.c.held - _LAPSED_BY_VOUCHER.c.count)
    .returning(_LAPSED_BY_VOUCHER.c.count)
)


def lapse_holds(session: Session, *, now: datetime, batch_size: int) -> int:
    """Lapse at most `batch_size` holds that are due, subtract them from their vouchers' counters, and count them."""
    return sum(session.execute(_LAPSE_HOLDS, {"now": now, "batch_size": batch_size}).scalars())
