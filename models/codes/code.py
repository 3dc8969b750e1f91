"""The table of codes. A code is a text that names a voucher, with limits of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Computed, ForeignKeyConstraint, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.code_terms import CodeRetiredReason
from models.append_only import keeping_customer
from models.base import LOOK_UP_COLLATION, Base, Instant, array_parameters, insert_from_arrays, one_of, table_of


class Code(Base):
    """A code of a voucher. Lock the voucher before changing its codes. Only the sweep does not.

    The codes of a retired voucher are shown as retired, but their rows stay. A row gets the retirement of the voucher
    only when another code takes the text.
    """

    __tablename__ = "codes"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    # The code that a voucher was created with has the voucher's id.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    code: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Whether the voucher shows this code.
    is_primary: Mapped[bool] = mapped_column(Boolean)
    maximum_redemptions: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    customer: Mapped[str | None] = mapped_column(Text)
    redemptions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # As in `vouchers`.
    places_returned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Indexed instead of the counters, as in `vouchers`.
    is_full: Mapped[bool] = mapped_column(
        Boolean, Computed("coalesce(redemptions - places_returned >= maximum_redemptions, false)", persisted=True)
    )
    retired_reason: Mapped[str | None] = mapped_column(Text)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
    # The generation that drew the code, or null if a caller chose it.
    generation_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The instant at which an update of the voucher changed the capitals.
    updated_at: Mapped[datetime | None] = mapped_column(Instant)
    maximum_redemptions_per_customer: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        # A voucher is never deleted, nor are its codes, because redemptions refer to both.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint("maximum_redemptions >= 1", name="maximum_positive"),
        CheckConstraint("maximum_redemptions_per_customer >= 1", name="customer_maximum_positive"),
        CheckConstraint("redemptions - places_returned <= maximum_redemptions", name="redemptions_within_maximum"),
        CheckConstraint("places_returned BETWEEN 0 AND redemptions", name="places_within_redemptions"),
        CheckConstraint("redemptions >= 0", name="redemptions_not_negative"),
        CheckConstraint(one_of("retired_reason", CodeRetiredReason), name="retired_reason_known"),
        CheckConstraint("(retired_reason IS NULL) = (retired_at IS NULL)", name="retired_whole"),
        # Of the codes with one text, at most one is not retired. A code that has expired, but is not retired yet, keeps
        # its text until a request that wants the text retires it.
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
        # If no available code has a text, the text names the newest retired code.
        Index(
            "ix_codes_retired",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            text("lower(code)"),
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("retired_reason IS NOT NULL"),
        ),
        # Each status has an index, so that a page reads no rows of the other status. The conditions are on `retired_at`
        # to keep these indexes out of look-ups by text, which compare `retired_reason`. While the table has few codes,
        # the planner would find them as good as the right index.
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
        # For erasures. Few codes are for one customer.
        Index("ix_codes_customer", "project", "customer", "id", postgresql_where=text("customer IS NOT NULL")),
        Index("ix_codes_full", "id", postgresql_where=text("retired_reason IS NULL AND is_full")),
        # 15 % of each page stay free, so that an update of a counter finds room on the same page.
        {"postgresql_with": {"fillfactor": 85}},
    )


CODES = keeping_customer(table_of(Code))
NEW_COLUMNS = (
    "project",
    "id",
    "voucher_id",
    "code",
    "created_at",
    "is_primary",
    "maximum_redemptions",
    "maximum_redemptions_per_customer",
    "expires_at",
    "customer",
    "generation_id",
)
_INSERT = insert_from_arrays(Code, NEW_COLUMNS)


def add_codes(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert codes with the columns `NEW_COLUMNS`. A unique violation means that a text is taken.

    All transactions insert in the order of the texts, so that two of them with the same texts never deadlock.
    """
    in_order = sorted(rows, key=lambda row: row["code"].lower())
    session.execute(_INSERT, array_parameters("new", NEW_COLUMNS, map(itemgetter(*NEW_COLUMNS), in_order)))
