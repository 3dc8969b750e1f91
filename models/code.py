"""Codes: every text that names a voucher, its own and those added to it, each with limits of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.code import CodeRetiredReason
from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    StoredRow,
    array_parameters,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)


class Code(Base):
    """One code of one voucher. Whoever writes it holds its voucher's lock, but for the sweep, which waits for nobody.

    The retirement of its voucher is not copied here: it is stored only when somebody else takes the text over.
    """

    __tablename__ = "codes"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    # The code that a voucher was created with has the voucher's identity.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    code: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # The one that the voucher shows as its own.
    is_primary: Mapped[bool] = mapped_column(Boolean)
    maximum_redemptions: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    customer: Mapped[str | None] = mapped_column(Text)
    redemptions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # As a voucher's.
    places_returned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Indexed in the place of the counter itself, as a voucher's.
    is_full: Mapped[bool] = mapped_column(
        Boolean, Computed("coalesce(redemptions - places_returned >= maximum_redemptions, false)", persisted=True)
    )
    retired_reason: Mapped[str | None] = mapped_column(Text)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
    # Which generation drew it; null where a caller chose it.
    generation_id: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        # What was redeemed is not deleted, and a code says for what it was redeemed.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint("maximum_redemptions >= 1", name="maximum_positive"),
        CheckConstraint("redemptions - places_returned <= maximum_redemptions", name="redemptions_within_maximum"),
        CheckConstraint("places_returned BETWEEN 0 AND redemptions", name="places_within_redemptions"),
        CheckConstraint("redemptions >= 0", name="redemptions_not_negative"),
        CheckConstraint(one_of("retired_reason", CodeRetiredReason), name="retired_reason_known"),
        CheckConstraint("(retired_reason IS NULL) = (retired_at IS NULL)", name="retired_whole"),
        # A code belongs to one voucher. One that can no longer be redeemed is retired by whoever wants its text.
        Index(
            "uq_codes_available",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            text("lower(code)"),
            unique=True,
            postgresql_where=text("retired_reason IS NULL"),
        ),
        Index(
            "uq_codes_primary",
            "project",
            "voucher_id",
            unique=True,
            postgresql_where=text("is_primary AND retired_reason IS NULL"),
        ),
        # Where nobody holds a text, it names the newest that carried it.
        Index(
            "ix_codes_retired",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            text("lower(code)"),
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("retired_reason IS NOT NULL"),
        ),
        # Each status is listed by itself: a page never passes over what it does not show. Their conditions are in other
        # words than a text's look-up, for which these would look as good while there are few codes.
        Index(
            "ix_codes_voucher_available",
            "project",
            "voucher_id",
            "id",
            postgresql_where=text("retired_at IS NULL"),
        ),
        Index(
            "ix_codes_voucher_retired",
            "project",
            "voucher_id",
            "id",
            postgresql_where=text("retired_at IS NOT NULL"),
        ),
        Index(
            "ix_codes_due",
            "expires_at",
            "id",
            postgresql_where=text("retired_reason IS NULL AND expires_at IS NOT NULL"),
        ),
        Index("ix_codes_full", "id", postgresql_where=text("retired_reason IS NULL AND is_full")),
        # Room on each page for the next count.
        {"postgresql_with": {"fillfactor": 85}},
    )


CODES = table_of(Code)
NEW_COLUMNS = (
    "project",
    "id",
    "voucher_id",
    "code",
    "created_at",
    "is_primary",
    "maximum_redemptions",
    "expires_at",
    "customer",
    "generation_id",
)
_WANTED = rows_from_arrays("wanted", project=Text(), code=Text())
_GRANTED = rows_from_arrays("granted", project=Text(), id=Uuid(), count=BigInteger())

_CARRIES_TEXT = and_(
    CODES.c.project.collate(LOOK_UP_COLLATION) == _WANTED.c.project, func.lower(CODES.c.code) == _WANTED.c.code
)
_HOLDER = select(CODES.c.id).where(_CARRIES_TEXT, CODES.c.retired_reason.is_(None)).correlate(_WANTED).scalar_subquery()
_RETIRED = (
    select(CODES.c.id)
    .where(_CARRIES_TEXT, CODES.c.retired_reason.is_not(None))
    .order_by(CODES.c.created_at.desc(), CODES.c.id.desc())
    .limit(1)
    .correlate(_WANTED)
)
# One that was retired as it was created is only shown by its voucher: another code had the text. A sweep that retires
# that one must not hand the text over.
_LAST_HOLDER = _RETIRED.where(CODES.c.retired_at != CODES.c.created_at).scalar_subquery()
_NAMES = func.coalesce(_HOLDER, _LAST_HOLDER, _RETIRED.scalar_subquery())
# What a decision needs, as a row of its own for each text.
_NAMED = CODES.alias("named")
_DECISIVE = (
    "id",
    "voucher_id",
    "code",
    "maximum_redemptions",
    "expires_at",
    "customer",
    "redemptions",
    "retired_reason",
    "places_returned",
)
_FIND_BY_CODE = select(
    _WANTED.c.project, _WANTED.c.code.label("wanted"), *(_NAMED.c[name] for name in _DECISIVE)
).join_from(_WANTED, _NAMED, and_(_NAMED.c.project == _WANTED.c.project, _NAMED.c.id == _NAMES))

_TOTAL = CODES.c.redemptions + _GRANTED.c.count
_FILLS_UP = and_(CODES.c.retired_reason.is_(None), CODES.c.maximum_redemptions <= _TOTAL - CODES.c.places_returned)
_COUNT = (
    update(CODES)
    .where(CODES.c.project == _GRANTED.c.project, CODES.c.id == _GRANTED.c.id)
    .values(
        redemptions=_TOTAL,
        retired_reason=case((_FILLS_UP, CodeRetiredReason.MAX_REDEMPTIONS_REACHED.value), else_=CODES.c.retired_reason),
        retired_at=case((_FILLS_UP, bindparam("decided_at", type_=Instant)), else_=CODES.c.retired_at),
    )
)
_INSERT = insert_from_arrays(Code, NEW_COLUMNS)


def find_by_code(session: Session, *, codes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredRow]:
    """This function will return what each (project, code in lower case) names: who holds it, or else held it last.

    The rows hold what a decision needs. Take them for one in a statement of its own after the vouchers' locks.
    """
    wanted = set(codes)
    if not wanted:
        return {}
    found = session.execute(_FIND_BY_CODE, array_parameters("wanted", ("project", "code"), sorted(wanted))).all()
    return {(row.project, row.wanted): row for row in found}


def count_code_redemptions(session: Session, *, granted: Iterable[tuple[str, UUID, int]], decided_at: datetime) -> None:
    """This function will add what a batch granted to each code's count, and retire those that are full now."""
    parameters = array_parameters("granted", ("project", "id", "count"), granted)
    session.execute(_COUNT, {**parameters, "decided_at": decided_at})


def add_codes(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """This function will insert codes, whose columns are `NEW_COLUMNS`. A unique violation means that one is held.

    They go in in one order for all, so that two callers who want the same texts never deadlock.
    """
    in_order = sorted(rows, key=lambda row: row["code"].lower())
    session.execute(_INSERT, array_parameters("new", NEW_COLUMNS, map(itemgetter(*NEW_COLUMNS), in_order)))
