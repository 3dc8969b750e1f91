"""Places that are free again: of a customer who was refunded, or of a redemption that never took effect."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from types import SimpleNamespace
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only
from models.base import Base, Instant, StoredRow, array_parameters, one_of, table_of


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
_KEYS = "unnest(CAST(:keys_project AS text[]), CAST(:keys_id AS uuid[])) AS keys (project, id)"

# Each by an index: the keys first, one look for each.
_FREE_CUSTOMERS = text(f"""
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT discount.project, discount.id, discount.voucher_id, discount.customer, 'customer', :at
    FROM {_KEYS}
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


def places_taken(row: StoredRow | SimpleNamespace) -> int:
    """This function will return how many places of a voucher, or of a code, are taken: those given back are not."""
    taken: int = row.redemptions - row.places_returned
    return taken


def free_customers_places(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> None:
    """This function will free each customer's place whose discount bought nothing but what was refunded in full.

    What was voided or not paid was not bought; where something was charged back, the place stays taken. The discounts
    are locked.
    """
    session.execute(_FREE_CUSTOMERS, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at})
