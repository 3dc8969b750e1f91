"""The table of codes: each text that names a voucher, with limits of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Computed, ForeignKeyConstraint, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.code import CodeRetiredReason
from models.base import LOOK_UP_COLLATION, Base, Instant, array_parameters, insert_from_arrays, one_of, table_of


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
_INSERT = insert_from_arrays(Code, NEW_COLUMNS)


def add_codes(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """This function will insert codes, whose columns are `NEW_COLUMNS`. A unique violation means that one is held.

    They go in in one order for all, so that two callers who want the same texts never deadlock.
    """
    in_order = sorted(rows, key=lambda row: row["code"].lower())
    session.execute(_INSERT, array_parameters("new", NEW_COLUMNS, map(itemgetter(*NEW_COLUMNS), in_order)))
