"""Read the usage of a voucher by customer: a page of customers, and their discounts, first records and stamps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.vouchers.row_types import TotalRow

# The position before the first customer: no customer's name is empty.
START = ""

# A customer can have many discounts and records. So each index is searched for the next customer, and a page costs
# two index look-ups per customer, whatever the position of the page and the length of the histories.
_GRANTED = """(
    SELECT customer FROM redemptions
    WHERE project COLLATE "C" = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer {which}
    ORDER BY customer LIMIT 1
)"""
_RECORDED = """(
    SELECT customer FROM usage_records
    WHERE project = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer {which}
    ORDER BY customer LIMIT 1
)"""
_NEXT = f"least({_GRANTED}, {_RECORDED})"
_PAGE = text(f"""
    WITH RECURSIVE page (customer, number) AS (
        SELECT {_NEXT.format(which="> CAST(:after AS text)")}, 1
        UNION ALL
        SELECT {_NEXT.format(which="> page.customer")}, number + 1
        FROM page WHERE customer IS NOT NULL AND number < :limit
    )
    SELECT customer FROM page WHERE customer IS NOT NULL
""")  # noqa: S608 - put together from the constants above
# The page of a single customer: the same look-ups for that name.
_ONE = text(f"""
    SELECT customers.customer FROM unnest(CAST(ARRAY[:customer] AS text[])) AS customers (customer)
    WHERE customers.customer > CAST(:after AS text) AND (
        EXISTS {_GRANTED.format(which="= customers.customer")}
        OR EXISTS {_RECORDED.format(which="= customers.customer")}
    )
""")  # noqa: S608 - put together from the constants above
_CUSTOMER_OF = text("""
    SELECT customer FROM discounts WHERE project = :project AND id = :id AND voucher_id = :voucher_id
    UNION ALL
    SELECT customer FROM usage_records
    WHERE project = :project AND id = :id AND voucher_id = :voucher_id AND reason IS NULL
    LIMIT 1
""")
# OFFSET 0 keeps the planner from reordering these joins: one index scan per element of the array.
_GRANTS = text("""
    SELECT discount.*
    FROM unnest(CAST(:customers AS text[])) AS customers (customer)
    CROSS JOIN LATERAL (
        SELECT id FROM redemptions
        WHERE project COLLATE "C" = :project AND voucher_id = :voucher_id AND customer = customers.customer
              AND reason IS NULL
        OFFSET 0
    ) AS granted
    CROSS JOIN LATERAL (
        SELECT id, customer, amounts_minor, carry_over, maximum_discount_in_all_minor,
               -- A discount of another system is as old as its import, so that the first entry stays the first.
               CASE WHEN is_imported THEN (
                   SELECT imported.created_at FROM imported_discounts AS imported
                   WHERE imported.project = :project AND imported.discount_id = discounts.id
               ) ELSE created_at END AS created_at
        FROM discounts
        WHERE project = :project AND id = granted.id
        OFFSET 0
    ) AS discount
    ORDER BY discount.created_at, discount.id
""")
_FIRST_RECORDS = text("""
    SELECT record.*
    FROM unnest(CAST(:customers AS text[])) AS customers (customer)
    CROSS JOIN LATERAL (
        SELECT id, customer, created_at, created_by FROM usage_records
        WHERE project = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer = customers.customer
        ORDER BY created_at, id LIMIT 1
    ) AS record
""")
_STAMPS = text("""
    SELECT record.*
    FROM unnest(CAST(:customers AS text[])) AS customers (customer)
    CROSS JOIN LATERAL (
        SELECT customer, created_at, stamp, discount_id FROM usage_records
        WHERE project = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer = customers.customer
              AND stamp > 0
        OFFSET 0
    ) AS record
    ORDER BY record.created_at
""")


class UsageGrantRow(TotalRow, Protocol):
    """A discount that a customer was granted for the voucher."""

    id: UUID
    customer: str
    created_at: datetime


class FirstUsageRow(Protocol):
    """The first entry that was recorded for a customer without an invoice."""

    id: UUID
    customer: str
    created_at: datetime
    created_by: str | None


class StampsRow(Protocol):
    """The stamps that an entry recorded for a customer."""

    customer: str
    created_at: datetime
    stamp: int
    discount_id: UUID | None


def find_customers(session: Session, *, project: str, voucher_id: UUID, after: str, limit: int) -> list[str]:
    """Return at most `limit` customers of a voucher that come after a customer in the order of the index."""
    parameters = {"project": project, "voucher_id": voucher_id, "after": after, "limit": limit}
    return list(session.execute(_PAGE, parameters).scalars())


def find_one_customer(session: Session, *, project: str, voucher_id: UUID, after: str, customer: str) -> list[str]:
    """Return a list with the customer, or an empty list if the voucher has no usage of them or they are not `after`."""
    parameters = {"project": project, "voucher_id": voucher_id, "after": after, "customer": customer}
    return list(session.execute(_ONE, parameters).scalars())


def customer_of(session: Session, *, project: str, voucher_id: UUID, id: UUID) -> str | None:  # noqa: A002
    """Return the customer of the voucher's discount or record with that id, or None if there is none."""
    parameters = {"project": project, "voucher_id": voucher_id, "id": id}
    return session.execute(_CUSTOMER_OF, parameters).scalar_one_or_none()


def grants_of(session: Session, *, project: str, voucher_id: UUID, customers: Sequence[str]) -> list[UsageGrantRow]:
    """Return the discounts that the customers were granted for the voucher, oldest first."""
    parameters = {"project": project, "voucher_id": voucher_id, "customers": list(customers)}
    return list(session.execute(_GRANTS, parameters))


def first_records_of(
    session: Session, *, project: str, voucher_id: UUID, customers: Sequence[str]
) -> list[FirstUsageRow]:
    """Return the first record of each customer for the voucher. Refused entries are left out."""
    parameters = {"project": project, "voucher_id": voucher_id, "customers": list(customers)}
    return list(session.execute(_FIRST_RECORDS, parameters))


def stamps_of(session: Session, *, project: str, voucher_id: UUID, customers: Sequence[str]) -> list[StampsRow]:
    """Return the stamps of the customers for the voucher, oldest first."""
    parameters = {"project": project, "voucher_id": voucher_id, "customers": list(customers)}
    return list(session.execute(_STAMPS, parameters))
