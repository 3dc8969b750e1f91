"""Find the discount of a voucher that a customer has on another subscription."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import array_parameters
from models.vouchers.total import TOTAL_MINOR

_COLUMNS = ("project", "voucher_id", "customer", "subscription")
# The redemptions have an index by voucher and customer. OFFSET 0 keeps the planner from reordering the joins. Whether a
# completed discount has used up its total is in the ledger, so such a discount is left out.
_FIND = text(f"""
    SELECT keys.position, other.id
    FROM unnest(CAST(:keys_project AS text[]), CAST(:keys_voucher_id AS uuid[]), CAST(:keys_customer AS text[]),
                CAST(:keys_subscription AS text[]))
         WITH ORDINALITY AS keys (project, voucher_id, customer, subscription, position)
    CROSS JOIN LATERAL (
        SELECT discount.id
        FROM (
            SELECT project, id FROM redemptions
            WHERE project COLLATE "C" = keys.project AND voucher_id = keys.voucher_id AND customer = keys.customer
                  AND reason IS NULL
            OFFSET 0
        ) AS redemption
        CROSS JOIN LATERAL (
            SELECT * FROM discounts WHERE project = redemption.project AND id = redemption.id
            OFFSET 0
        ) AS discount
        WHERE discount.subscription <> keys.subscription
              AND NOT (discount.recurrence = 'once' AND discount.cycles > 0)
              AND (discount.ends_on IS NULL OR discount.ends_on > :today)
              AND (discount.status = 'running' OR (discount.status = 'completed' AND ({TOTAL_MINOR}) IS NULL))
        ORDER BY discount.id DESC LIMIT 1
    ) AS other
""")  # noqa: S608 - put together from the constant


def find_other_discounts(
    session: Session, *, keys: Sequence[tuple[str, UUID, str, str]], today: date
) -> list[UUID | None]:
    """Return the newest discount of each (project, voucher, customer) that is not on the subscription, or None.

    Each key is (project, voucher, customer, subscription). Only discounts that have something left count.
    """
    found: list[UUID | None] = [None] * len(keys)
    for row in session.execute(_FIND, {**array_parameters("keys", _COLUMNS, keys), "today": today}).all():
        found[row.position - 1] = row.id
    return found
