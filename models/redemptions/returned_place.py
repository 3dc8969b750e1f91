"""Places that were given back: by a customer who was refunded, or by a redemption that never took effect."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, Uuid, and_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only
from models.base import Base, Instant, StoredRow, array_parameters, one_of, rows_from_arrays, table_of


class PlaceKind(StrEnum):
    """Whose place is free again: the customer's alone, or that of the voucher and the code too."""

    CUSTOMER = "customer"
    WHOLE = "whole"


class ReturnedPlace(Base):
    """One redemption whose place is free again. Its number stays: rows are written once and never changed."""

    __tablename__ = "returned_places"

    # The key says that a redemption gives its place back once.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    discount_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    code_id: Mapped[UUID | None] = mapped_column(Uuid)
    customer: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # What was granted is not deleted: it says whose place it was.
        ForeignKeyConstraint(["project", "discount_id"], ["discounts.project", "discounts.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("kind", PlaceKind), name="kind_known"),
        Index("ix_returned_places_customer", "project", "voucher_id", "customer"),
    )


RETURNED_PLACES = append_only(table_of(ReturnedPlace))
_KEYS_SQL = "unnest(CAST(:keys_project AS text[]), CAST(:keys_id AS uuid[])) AS keys (project, id)"
# Each by an index: the keys first, one look for each.
_FREE_CUSTOMERS = text(f"""
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT discount.project, discount.id, discount.voucher_id, discount.customer, 'customer', :at
    FROM {_KEYS_SQL}
    CROSS JOIN LATERAL (
        SELECT project, id, voucher_id, customer FROM discounts
        WHERE project = keys.project AND id = keys.id
        OFFSET 0
    ) AS discount
    CROSS JOIN LATERAL (
        -- What was voided or not paid was not bought.
        SELECT count(*) FILTER (WHERE NOT is_given_back) AS bought, count(*) FILTER (WHERE is_refunded) AS refunded,
               bool_or(has_charge_back) AS has_charge_back
        FROM usage_entries
        CROSS JOIN LATERAL (
            SELECT coalesce(bool_or(reason <> 'refunded'), false) AS is_given_back,
                   coalesce(bool_or(is_in_full), false) AS is_refunded,
                   coalesce(bool_or(is_charged_back), false) AS has_charge_back
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
    """This function will free each customer's place whose discount bought nothing but what was refunded in full.

    What was voided or not paid was not bought; where something was charged back, the place stays taken. The discounts
    are locked.
    """
    session.execute(_FREE_CUSTOMERS, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at})


_DISCOUNTS = rows_from_arrays("keys", project=Text(), id=Uuid())
_RETURNED = select(RETURNED_PLACES.c.discount_id).join(
    _DISCOUNTS,
    and_(RETURNED_PLACES.c.project == _DISCOUNTS.c.project, RETURNED_PLACES.c.discount_id == _DISCOUNTS.c.id),
)
# The code that each was redeemed by is known to its redemption, which is found by its voucher and customer.
_RETURN = text("""
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
        SELECT bool_or(is_charged_back) AS has_charge_back FROM usage_reversals
        WHERE project = keys.project AND discount_id = keys.id
    ) AS reversal
    WHERE has_charge_back IS NOT TRUE
    RETURNING project, voucher_id, code_id
""")


def find_returned(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> set[UUID]:
    """This function will return which of those discounts have given a place back. Take it after their locks."""
    return set(session.execute(_RETURNED, array_parameters("keys", ("project", "id"), set(keys))).scalars())


def return_places(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> Sequence[StoredRow]:
    """This function will note that those redemptions have no place any more, and return their vouchers and codes.

    One that was charged back keeps its place, and is not returned.
    """
    return session.execute(_RETURN, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at}).all()
