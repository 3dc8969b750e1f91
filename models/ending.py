"""Ending discounts, and giving the places back of those that never took effect."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, and_, bindparam, case, select, text, update
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, Instant, StoredRow, array_parameters, rows_from_arrays
from models.discount import DISCOUNTS, DiscountStatus
from models.place import RETURNED_PLACES
from models.voucher import VOUCHERS

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_VOUCHERS = rows_from_arrays("places", project=Text(), id=Uuid(), count=BigInteger(), reason=Text(), at=Instant)

_END = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id)
    .values(status=DiscountStatus.ENDED.value, ended_at=bindparam("ended_at", type_=Instant))
)
_RETURNED = select(RETURNED_PLACES.c.discount_id).join(
    _KEYS, and_(RETURNED_PLACES.c.project == _KEYS.c.project, RETURNED_PLACES.c.discount_id == _KEYS.c.id)
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
_COUNT_VOUCHERS = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _VOUCHERS.c.project, VOUCHERS.c.id == _VOUCHERS.c.id)
    .values(
        places_returned=VOUCHERS.c.places_returned + _VOUCHERS.c.count,
        retired_reason=_VOUCHERS.c.reason,
        # The first reason stays as long as it is true.
        retired_at=case(
            (VOUCHERS.c.retired_reason.is_not_distinct_from(_VOUCHERS.c.reason), VOUCHERS.c.retired_at),
            else_=_VOUCHERS.c.at,
        ),
    )
)
# What was full has room again, and its text unless somebody else has taken it; of two with one text it is the newer.
_COUNT_CODES = text(f"""
    UPDATE codes
    SET places_returned = codes.places_returned + returned.count,
        retired_reason = CASE WHEN returned.comes_back THEN NULL ELSE codes.retired_reason END,
        retired_at = CASE WHEN returned.comes_back THEN NULL ELSE codes.retired_at END
    FROM (
        SELECT code.project, code.id, places.count,
               code.retired_reason IS NOT DISTINCT FROM 'maxRedemptionsReached'
               AND 1 = row_number() OVER (
                   PARTITION BY code.project, lower(code.code), code.retired_reason
                   ORDER BY code.created_at DESC, code.id DESC
               )
               AND NOT EXISTS (
                   SELECT FROM codes holder
                   WHERE holder.project COLLATE "{LOOK_UP_COLLATION}" = code.project
                         AND lower(holder.code) = lower(code.code) AND holder.retired_reason IS NULL
               ) AS comes_back
        FROM unnest(
            CAST(:places_project AS text[]), CAST(:places_id AS uuid[]), CAST(:places_count AS bigint[])
        ) AS places (project, id, count)
        CROSS JOIN LATERAL (
            SELECT project, id, code, created_at, retired_reason FROM codes
            WHERE project = places.project AND id = places.id
            OFFSET 0
        ) AS code
    ) AS returned
    WHERE codes.project = returned.project AND codes.id = returned.id
""")  # noqa: S608 - put together from the constant above


def find_granted(session: Session, *, project: str, subscription: str) -> Sequence[StoredRow]:
    """This function will return the identities, vouchers and states of all that a subscription was granted."""
    columns = DISCOUNTS.c
    return session.execute(
        select(columns.id, columns.voucher_id, columns.status, columns.cycles).where(
            columns.project.collate(LOOK_UP_COLLATION) == project, columns.subscription == subscription
        )
    ).all()


def end_discounts(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> None:
    """This function will end locked discounts that were not ended before."""
    session.execute(_END, {**array_parameters("keys", ("project", "id"), set(keys)), "ended_at": at})


def find_returned(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> set[UUID]:
    """This function will return which of those discounts have given a place back. Take it after their locks."""
    return set(session.execute(_RETURNED, array_parameters("keys", ("project", "id"), set(keys))).scalars())


def return_places(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> Sequence[StoredRow]:
    """This function will note that those redemptions have no place any more, and return their vouchers and codes.

    One that was charged back keeps its place, and is not returned.
    """
    return session.execute(_RETURN, {**array_parameters("keys", ("project", "id"), set(keys)), "at": at}).all()


def count_returned(session: Session, *, places: Iterable[Mapping[str, Any]]) -> None:
    """This function will count what locked vouchers got back, and store why they are retired, or that they are not."""
    columns = ("project", "id", "count", "reason", "at")
    session.execute(_COUNT_VOUCHERS, array_parameters("places", columns, map(itemgetter(*columns), places)))


def count_returned_to_codes(session: Session, *, places: Iterable[tuple[str, UUID, int]]) -> None:
    """This function will count what the codes of locked vouchers got back. One that was full is available again.

    A unique violation means that somebody else has just taken its text.
    """
    session.execute(_COUNT_CODES, array_parameters("places", ("project", "id", "count"), sorted(places)))
