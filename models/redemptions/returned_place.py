"""The table of returned places: of customers who were refunded, and of redemptions that never took effect."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, Uuid, and_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only
from models.base import Base, Instant, array_parameters, index_by_time, one_of, rows_from_arrays, table_of
from models.redemptions.row_types import ReturnedPlaceRow
from models.reversal_kinds import GIVES_BACK


class PlaceKind(StrEnum):
    """The limits that a returned place no longer counts against: the customer's alone, or all, as `whole`."""

    CUSTOMER = "customer"
    WHOLE = "whole"


class ReturnedPlace(Base):
    """A redemption that has returned its place. The number stays. Rows are written once and never changed."""

    __tablename__ = "returned_places"

    # Because of this key, each place is returned once.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    discount_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    code_id: Mapped[UUID | None] = mapped_column(Uuid)
    customer: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # A discount with a returned place is not deleted, because the discount explains the row.
        ForeignKeyConstraint(["project", "discount_id"], ["discounts.project", "discounts.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("kind", PlaceKind), name="kind_known"),
        Index("ix_returned_places_customer", "project", "voucher_id", "customer"),
    )


RETURNED_PLACES = append_only(table_of(ReturnedPlace))
_KEYS_SQL = "unnest(CAST(:keys_project AS text[]), CAST(:keys_id AS uuid[])) AS keys (project, id)"
# OFFSET 0 keeps the planner from reordering the joins: each is one index scan per key.
_RETURN_CUSTOMERS = text(f"""
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT discount.project, discount.id, discount.voucher_id, discount.customer, 'customer', :at
    FROM {_KEYS_SQL}
    CROSS JOIN LATERAL (
        -- A refund goes back into a balance, so the customer has lost nothing by it.
        SELECT project, id, voucher_id, customer FROM discounts
        WHERE project = keys.project AND id = keys.id AND NOT carry_over
              -- Invoices of another system are not refunded here.
              AND (NOT is_imported OR 0 = (
                  SELECT imported.cycles FROM imported_discounts AS imported
                  WHERE imported.project = discounts.project AND imported.discount_id = discounts.id
              ))
        OFFSET 0
    ) AS discount
    CROSS JOIN LATERAL (
        -- An invoice that was voided or whose payment failed bought nothing.
        SELECT count(*) FILTER (WHERE NOT is_given_back) AS bought, count(*) FILTER (WHERE is_refunded) AS refunded,
               bool_or(has_charge_back) AS has_charge_back
        FROM usage_entries
        CROSS JOIN LATERAL (
            SELECT coalesce(bool_or({GIVES_BACK}), false) AS is_given_back,
                   coalesce(bool_or(is_in_full), false) AS is_refunded,
                   coalesce(bool_or(kind = 'charged_back'), false) AS has_charge_back
            FROM usage_reversals
            WHERE usage_reversals.project = usage_entries.project
                  AND usage_reversals.discount_id = usage_entries.discount_id
                  AND usage_reversals.invoice = usage_entries.invoice
        ) AS reversal
        WHERE usage_entries.project = keys.project AND usage_entries.discount_id = keys.id
    ) AS purchases
    WHERE purchases.bought > 0 AND purchases.bought = purchases.refunded AND NOT has_charge_back
    ON CONFLICT DO NOTHING
""")  # noqa: S608 - put together from the constant above


def return_customers_places(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> None:
    """Record that a discount has returned its customer's place if its invoices were refunded in full.

    These are the invoices that the discount reduced, without those that were voided or not paid. After a charge-back,
    the place stays taken, and so does that of a balance, which refunds refill.
    Call it after locking the discounts.
    """
    session.execute(_RETURN_CUSTOMERS, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at})


_DISCOUNTS = rows_from_arrays("keys", project=Text(), id=Uuid())
_RETURNED = select(RETURNED_PLACES.c.discount_id).join(
    _DISCOUNTS,
    and_(RETURNED_PLACES.c.project == _DISCOUNTS.c.project, RETURNED_PLACES.c.discount_id == _DISCOUNTS.c.id),
)
# The code is a column of the redemption, which an index finds by voucher and customer.
_RETURN_WHOLE = text("""
    INSERT INTO returned_places (project, discount_id, voucher_id, code_id, customer, kind, created_at)
    SELECT redemption.project, redemption.id, redemption.voucher_id, redemption.code_id, redemption.customer, 'whole',
           :at
    FROM unnest(CAST(:keys_project AS text[]), CAST(:keys_id AS uuid[])) AS keys (project, id)
    CROSS JOIN LATERAL (
        SELECT project, voucher_id, customer FROM discounts WHERE project = keys.project AND id = keys.id
        OFFSET 0
    ) AS discount
    CROSS JOIN LATERAL (
        SELECT project, id, voucher_id, code_id, customer FROM redemptions
        WHERE project COLLATE "C" = discount.project AND voucher_id = discount.voucher_id
              AND customer = discount.customer
              AND reason IS NULL AND id = keys.id
        OFFSET 0
    ) AS redemption
    CROSS JOIN LATERAL (
        SELECT bool_or(kind = 'charged_back') AS has_charge_back FROM usage_reversals
        WHERE project = keys.project AND discount_id = keys.id
    ) AS reversal
    WHERE has_charge_back IS NOT TRUE
    RETURNING project, voucher_id, code_id
""")


def find_returned(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> set[UUID]:
    """Return the ids of the discounts that have returned a place. Call it after locking the discounts."""
    return set(session.execute(_RETURNED, array_parameters("keys", ("project", "id"), set(keys))).scalars())


def return_places(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> Sequence[ReturnedPlaceRow]:
    """Record that redemptions have returned their places. Return the voucher and the code of each.

    After a charge-back, a redemption keeps its place and is left out.
    """
    return session.execute(_RETURN_WHOLE, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at}).all()
