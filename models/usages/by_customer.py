"""Usage by customer: who was granted a voucher or has a record of it, a page at a time, and what the ledger holds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import StoredRow

# The position before every customer: nobody is called so.
START = ""

# Many discounts and records have one customer: the next one is looked up in each index, so that a page costs a look
# for each of its customers, wherever it starts and however long their histories are.
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
# One customer's page: the same look for one name.
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
# OFFSET 0 keeps the planner from turning these round: one look into the index for each row that was sent.
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
        SELECT id, customer, created_at, amounts_minor, carry_over FROM discounts
        WHERE project = :project AND id = granted.id
        OFFSET 0
    ) AS discount
    ORDER BY discount.created_at, discount.id
""")
_ENTRIES = text("""
    SELECT entry.*
    FROM unnest(CAST(:discounts AS uuid[])) AS discounts (id)
    CROSS JOIN LATERAL (
        SELECT id, discount_id, invoice, currency, amount_minor, created_at FROM usage_entries
        WHERE project = :project AND discount_id = discounts.id
        OFFSET 0
    ) AS entry
    ORDER BY entry.created_at, entry.id
""")
_RECORDS = text("""
    SELECT record.*
    FROM unnest(CAST(:customers AS text[])) AS customers (customer)
    CROSS JOIN LATERAL (
        SELECT id, customer, ref, ref_type, usage, stamp, amount_minor, discount_id, created_at, created_by
        FROM usage_records
        WHERE project = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer = customers.customer
        OFFSET 0
    ) AS record
    ORDER BY record.created_at, record.id
""")


def page_of_customers(session: Session, *, project: str, voucher_id: UUID, after: str, limit: int) -> list[str]:
    """This function will return at most so many customers of a voucher, in the order of the index, after that one."""
    parameters = {"project": project, "voucher_id": voucher_id, "after": after, "limit": limit}
    return list(session.execute(_PAGE, parameters).scalars())


def page_of_one(session: Session, *, project: str, voucher_id: UUID, after: str, customer: str) -> list[str]:
    """This function will return that customer of a voucher, if it comes after that one and was granted anything."""
    parameters = {"project": project, "voucher_id": voucher_id, "after": after, "customer": customer}
    return list(session.execute(_ONE, parameters).scalars())


def customer_of(session: Session, *, project: str, voucher_id: UUID, id: UUID) -> str | None:  # noqa: A002
    """This function will return whose discount or record of the voucher that is, or None."""
    parameters = {"project": project, "voucher_id": voucher_id, "id": id}
    return session.execute(_CUSTOMER_OF, parameters).scalar_one_or_none()


def grants_of(session: Session, *, project: str, voucher_id: UUID, customers: Sequence[str]) -> list[StoredRow]:
    """This function will return the discounts that those customers were granted for the voucher, oldest first."""
    parameters = {"project": project, "voucher_id": voucher_id, "customers": list(customers)}
    return list(session.execute(_GRANTS, parameters))


def entries_of(session: Session, *, project: str, discounts: Sequence[UUID]) -> list[StoredRow]:
    """This function will return what those discounts took off invoices, oldest first."""
    return list(session.execute(_ENTRIES, {"project": project, "discounts": list(discounts)}))


def records_of(session: Session, *, project: str, voucher_id: UUID, customers: Sequence[str]) -> list[StoredRow]:
    """This function will return what was recorded for those customers of the voucher, oldest first."""
    parameters = {"project": project, "voucher_id": voucher_id, "customers": list(customers)}
    return list(session.execute(_RECORDS, parameters))
