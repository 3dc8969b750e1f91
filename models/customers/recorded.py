"""Rename the customer of recorded usage, with the redemptions of the stamp cards that the entries completed."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import rows_affected
from models.customers.erasure import ErasureRow
from models.customers.renaming import parameters_of, renamed

_REFS = text("""
    SELECT ref, discount_id FROM usage_records
    WHERE project = :project AND voucher_id = :voucher_id AND customer = :customer
""")
# The request id of a card's redemption is a digest of the customer, and the answer shows it.
_RENAME = text(f"""
    UPDATE usage_records
    SET customer = :pseudonym, fingerprint = sha256(:key || fingerprint),
        answer = CAST(replace(CAST({renamed("answer")} AS text), requests.old, requests.new) AS json)
    FROM unnest(CAST(:refs AS text[]), CAST(:old AS text[]), CAST(:new AS text[])) AS requests (ref, old, new)
    WHERE project = :project AND voucher_id = :voucher_id AND customer = :customer AND usage_records.ref = requests.ref
""")  # noqa: S608 - the constants above
_RENAME_REQUESTS = text("""
    UPDATE redemptions
    SET request_id = requests.new, customer = :pseudonym, fingerprint = sha256(:key || fingerprint)
    FROM unnest(CAST(:old AS text[]), CAST(:new AS text[])) AS requests (old, new)
    WHERE redemptions.project = :project AND redemptions.request_id = requests.old AND redemptions.customer = :customer
""")

_VOUCHERS = text("""
    SELECT DISTINCT voucher_id FROM usage_records
    WHERE project = :project AND customer = :customer AND created_at <= :until ORDER BY voucher_id
""")


def recorded_vouchers(session: Session, *, erasure: ErasureRow) -> Sequence[UUID]:
    """Return the vouchers for which the customer has recorded usage."""
    return session.execute(_VOUCHERS, parameters_of(erasure)).scalars().all()


def recorded_refs(session: Session, *, erasure: ErasureRow, voucher_id: UUID) -> dict[str, UUID | None]:
    """Return the references under which the customer's usage of a voucher is recorded, with the discount of a card.

    Call it after locking the voucher.
    """
    found = session.execute(_REFS, {**parameters_of(erasure), "voucher_id": voucher_id})
    return {row.ref: row.discount_id for row in found}


def rename_recorded(
    session: Session, *, erasure: ErasureRow, voucher_id: UUID, requests: Mapping[str, Sequence[str]]
) -> int:
    """Rename the customer of all usage of a voucher, and return how many rows.

    `requests` has the old and the new request id of a card's redemption for each reference.
    Call it after locking the voucher.
    """
    old, new = zip(*requests.values(), strict=True)
    parameters = {**parameters_of(erasure), "voucher_id": voucher_id, "refs": list(requests)}
    parameters |= {"old": list(old), "new": list(new)}
    return rows_affected(session.execute(_RENAME, parameters))


def rename_card_requests(session: Session, *, erasure: ErasureRow, requests: Mapping[str, Sequence[str]]) -> int:
    """Rename the customer of the redemptions of cards, give them new request ids, and return how many."""
    old, new = zip(*requests.values(), strict=True)
    parameters = {**parameters_of(erasure), "old": list(old), "new": list(new)}
    return rows_affected(session.execute(_RENAME_REQUESTS, parameters))
