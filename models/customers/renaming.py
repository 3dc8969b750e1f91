"""The statements that put a pseudonym in the place of a customer's id: each on a bounded number of rows.

Rows that are younger than the erasure keep the id: they belong to a new customer of that name. So do the rows of a
request that was decided while the erasure ran, by counts without the rows that were renamed already.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import rows_affected
from models.customers.erasure import ErasureRow

# The stored texts of JSON differ in their spaces and in how they escape characters.
_SEPARATORS = (": ", ":")
_FINGERPRINT = "sha256(:key || fingerprint)"


def renamed(column: str) -> str:
    """Return the SQL of a JSON column in which the pseudonym is the value of each `customer` that was the id."""
    replaced = f"CAST({column} AS text)"
    for number in range(len(_SEPARATORS) * 2):
        replaced = f"replace({replaced}, CAST(:old_{number} AS text), CAST(:new_{number} AS text))"
    return f"CAST({replaced} AS json)"


def names_customer(column: str) -> str:
    """Return the SQL of whether any `customer` in a JSON column, however deep, is the id."""
    return (
        f"jsonb_path_exists(CAST({column} AS jsonb), CAST('lax $.**.customer ? (@ == $id)' AS jsonpath), "
        "jsonb_build_object('id', CAST(:customer AS text)), true)"
    )


def parameters_of(erasure: ErasureRow) -> dict[str, Any]:
    """Return the parameters that all statements share."""
    escaped = (json.dumps(erasure.customer), to_json(erasure.customer).decode())
    pairs = [
        (f'"customer"{separator}{text}', f'"customer"{separator}"{erasure.pseudonym}"')
        for separator in _SEPARATORS
        for text in escaped
    ]
    names = {f"old_{number}": old for number, (old, _) in enumerate(pairs)}
    names |= {f"new_{number}": new for number, (_, new) in enumerate(pairs)}
    return {
        "project": erasure.project,
        "customer": erasure.customer,
        "pseudonym": erasure.pseudonym,
        "key": erasure.key,
        "until": erasure.started_at,
        **names,
    }


def allow_renaming(session: Session, *, erasure: ErasureRow) -> bool:
    """Let the triggers of append-only tables pass this renaming, and nothing else, until the end of the transaction.

    Return whether the erasure still runs. If so, no other copy ends it until then.
    """
    allowed = text("""
        SELECT set_config('scrip.erased_customer', customer, true), set_config('scrip.pseudonym', pseudonym, true)
        FROM customer_erasures WHERE project = :project AND id = :id AND customer IS NOT NULL FOR SHARE
    """)
    running = session.execute(allowed, {"project": erasure.project, "id": erasure.id})
    return running.one_or_none() is not None


# An imported discount was redeemed before it came here.
_GRANTED = text("""
    SELECT id, voucher_id FROM discounts
    WHERE customer = :customer AND project COLLATE "C" = :project AND created_at <= :until
          AND NOT EXISTS (
              SELECT FROM imported_discounts AS imported
              WHERE discounts.is_imported AND imported.project = :project AND imported.discount_id = discounts.id
                    AND imported.created_at > :until
          )
    LIMIT :limit
""")
_CODES = text("""
    SELECT id, voucher_id FROM codes
    WHERE project = :project AND customer = :customer AND created_at <= :until ORDER BY id LIMIT :limit
""")
_BY_CODES = text("""
    SELECT id FROM redemptions
    WHERE code_id = ANY(:ids) AND project COLLATE "C" = :project AND redemption_number IS NOT NULL
          AND code_id IS NOT NULL AND customer = :customer
""")
_HELD = text("""
    (SELECT request_id, voucher_id FROM holds
     WHERE customer = :customer AND project COLLATE "POSIX" = :project AND status <> 'refused' AND id IS NOT NULL
           AND created_at <= :until
     LIMIT :limit)
    UNION ALL
    (SELECT request_id, voucher_id FROM holds
     WHERE customer = :customer AND project COLLATE "C" = :project AND reason IS NOT NULL AND created_at <= :until
     LIMIT :limit)
    LIMIT :limit
""")


def granted_discounts(session: Session, *, erasure: ErasureRow, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return some of the customer's discounts, each with its voucher."""
    return [(row.id, row.voucher_id) for row in session.execute(_GRANTED, {**parameters_of(erasure), "limit": limit})]


def customers_codes(session: Session, *, erasure: ErasureRow, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return some of the codes that are for the customer alone, each with its voucher."""
    return [(row.id, row.voucher_id) for row in session.execute(_CODES, {**parameters_of(erasure), "limit": limit})]


def redeemed_by_codes(session: Session, *, erasure: ErasureRow, codes: Sequence[UUID]) -> Sequence[UUID]:
    """Return the customer's accepted redemptions by codes. Call it after locking the vouchers."""
    return session.execute(_BY_CODES, {**parameters_of(erasure), "ids": list(codes)}).scalars().all()


def held_requests(session: Session, *, erasure: ErasureRow, limit: int) -> Sequence[tuple[str, UUID | None]]:
    """Return some of the customer's requests for a hold, each with its voucher if there is one."""
    found = session.execute(_HELD, {**parameters_of(erasure), "limit": limit})
    return [(row.request_id, row.voucher_id) for row in found]


_RENAME_DISCOUNTS = text("""
    UPDATE discounts SET customer = :pseudonym WHERE project = :project AND id = ANY(:ids) AND customer = :customer
""")
_RENAME_RETURNED = text("""
    UPDATE returned_places SET customer = :pseudonym
    WHERE project = :project AND discount_id = ANY(:ids) AND customer = :customer
""")
_RENAME_ACCEPTED = text(f"""
    UPDATE redemptions SET customer = :pseudonym, fingerprint = {_FINGERPRINT}
    WHERE project COLLATE "POSIX" = :project AND reason IS NULL AND id = ANY(:ids) AND customer = :customer
    RETURNING request_id
""")  # noqa: S608 - the constants above
_RENAME_HOLDS = text(f"""
    UPDATE holds SET customer = :pseudonym, fingerprint = {_FINGERPRINT}, request = {renamed("request")}
    WHERE project = :project AND request_id = ANY(:requests) AND customer = :customer
""")  # noqa: S608 - the constants above
_RENAME_CODES = text("UPDATE codes SET customer = :pseudonym WHERE project = :project AND id = ANY(:ids)")
_RENAME_REFUSED = text(f"""
    UPDATE redemptions SET customer = :pseudonym, fingerprint = {_FINGERPRINT}
    WHERE project = :project AND request_id = ANY(ARRAY(
        SELECT request_id FROM redemptions
        WHERE customer = :customer AND project COLLATE "C" = :project AND reason IS NOT NULL AND decided_at <= :until
        LIMIT :limit
    ))
""")  # noqa: S608 - the constants above
_RENAME_INVOICES = text(f"""
    UPDATE invoice_discounts
    SET customer = :pseudonym, fingerprint = {_FINGERPRINT}, answer = {renamed("answer")}
    WHERE project = :project AND invoice = ANY(ARRAY(
        SELECT invoice FROM invoice_discounts
        WHERE customer = :customer AND project COLLATE "POSIX" = :project AND applied_at <= :until
        LIMIT :limit
    ))
""")  # noqa: S608 - the constants above
# A reversal that was decided meanwhile copied the customer of its invoice.
_RENAME_REVERSALS = text(f"""
    UPDATE invoice_reversals SET answer = {renamed("answer")}
    WHERE project = :project AND id = ANY(ARRAY(
        SELECT reversal.id FROM invoice_reversals AS reversal
        JOIN invoice_discounts AS invoice ON invoice.project = reversal.project AND invoice.invoice = reversal.invoice
        WHERE (reversal.answer ->> 'customer') = :customer AND reversal.project COLLATE "POSIX" = :project
              AND invoice.customer = :pseudonym
        LIMIT :limit
    ))
""")  # noqa: S608 - the constants above


def rename_grants(session: Session, *, erasure: ErasureRow, ids: Iterable[UUID]) -> int:
    """Rename discounts and all that goes with them, and return how many rows. Call it after locking them.

    The redemption, the returned place and the confirmed hold of a discount have the same customer at every commit.
    """
    parameters = {**parameters_of(erasure), "ids": list(ids)}
    count = rows_affected(session.execute(_RENAME_DISCOUNTS, parameters))
    count += rows_affected(session.execute(_RENAME_RETURNED, parameters))
    requests = session.execute(_RENAME_ACCEPTED, parameters).scalars().all()
    return count + len(requests) + rename_holds(session, erasure=erasure, requests=requests)


def rename_holds(session: Session, *, erasure: ErasureRow, requests: Sequence[str]) -> int:
    """Rename the customer of requests for a hold, and return how many rows. Call it after locking the vouchers."""
    if not requests:
        return 0
    return rows_affected(session.execute(_RENAME_HOLDS, {**parameters_of(erasure), "requests": list(requests)}))


def rename_codes(session: Session, *, erasure: ErasureRow, ids: Sequence[UUID]) -> int:
    """Rename the customer of codes, and return how many rows. Call it after locking the vouchers."""
    return rows_affected(session.execute(_RENAME_CODES, {**parameters_of(erasure), "ids": list(ids)}))


def rename_refused(session: Session, *, erasure: ErasureRow, limit: int) -> int:
    """Rename at most `limit` refused redemptions, and return how many."""
    return rows_affected(session.execute(_RENAME_REFUSED, {**parameters_of(erasure), "limit": limit}))


def rename_invoices(session: Session, *, erasure: ErasureRow, limit: int) -> int:
    """Rename at most `limit` discounted invoices, and return how many."""
    return rows_affected(session.execute(_RENAME_INVOICES, {**parameters_of(erasure), "limit": limit}))


def rename_reversals(session: Session, *, erasure: ErasureRow, limit: int) -> int:
    """Rename at most `limit` reversals of renamed invoices, and return how many."""
    return rows_affected(session.execute(_RENAME_REVERSALS, {**parameters_of(erasure), "limit": limit}))
