"""Sum redemptions and the ledger by voucher, month and currency, in one statement.

A month is that in UTC in which a redemption was decided, an entry was added or a reversal was made.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value

_MONTH = "date_trunc('month', {instant} AT TIME ZONE 'UTC')::date"
_IN_SPAN = "({instant} >= CAST(:first AS timestamptz) AND {instant} < CAST(:end AS timestamptz))"
_SUM_OF_DISCOUNTS = """
    SELECT discount.voucher_id, summed.*
    FROM (
        SELECT project, discount_id, {month} AS month, currency, 0::bigint AS redeemed,
               {given} AS given_minor, {reversed} AS reversed_minor
        FROM {table} WHERE {condition} GROUP BY project, discount_id, month, currency
    ) AS summed
    JOIN discounts AS discount ON discount.project = summed.project AND discount.id = summed.discount_id
"""
_IN_PROJECT = "project = :project AND {span}"
_OF_DISCOUNTS = """
    AND discount_id IN (SELECT id FROM discounts WHERE project = :project AND voucher_id = :voucher_id)
"""
_PAGE = """
    WITH summed AS MATERIALIZED ({summed}),
    listed AS (
        SELECT DISTINCT voucher_id FROM summed WHERE {beyond} ORDER BY voucher_id {order} LIMIT :limit
    )
    SELECT summed.*, voucher.name,
           EXISTS (SELECT FROM summed WHERE voucher_id < ALL (SELECT voucher_id FROM listed)) AS has_older,
           EXISTS (SELECT FROM summed WHERE voucher_id > ALL (SELECT voucher_id FROM listed)) AS has_newer
    FROM listed
    JOIN summed ON summed.voucher_id = listed.voucher_id
    JOIN vouchers AS voucher ON voucher.project = :project AND voucher.id = listed.voucher_id
    ORDER BY voucher_id DESC, month, currency NULLS FIRST
"""


@value
class ReportedSums:
    """A filter for sums of a project: those of a voucher or of all, in the span of time [first, end)."""

    project: str
    voucher_id: UUID | None
    first: datetime
    end: datetime


class ReportRow(Protocol):
    """The sums of a voucher in a month: redemptions without a currency, or minor units of a currency.

    `has_older` and `has_newer` say whether there are vouchers before and after those of the page.
    """

    voucher_id: UUID
    month: date
    currency: str | None
    redeemed: int
    given_minor: int
    reversed_minor: int
    name: str
    has_older: bool
    has_newer: bool


def sums_by_month(*, redemptions: str = "true", entries: str = "true", reversals: str = "true") -> str:
    """Return the SQL of the sums by project, voucher, month and currency, of the rows that meet the conditions.

    Redemptions are in a row without a currency.
    """
    of_entries, of_reversals = (
        _SUM_OF_DISCOUNTS.format(
            month=_MONTH.format(instant="created_at"), table=table, given=given, reversed=reversed_, condition=condition
        )
        for table, given, reversed_, condition in (
            ("usage_entries", "sum(amount_minor)", "0", entries),
            # Reversals have negative amounts, and reversed credits positive ones.
            ("usage_reversals", "0", "-sum(amount_minor)", reversals),
        )
    )
    return f"""
        SELECT project, voucher_id, month, currency, sum(redeemed)::bigint AS redeemed,
               sum(given_minor)::bigint AS given_minor, sum(reversed_minor)::bigint AS reversed_minor
        FROM (
            SELECT voucher_id, project, NULL::uuid AS discount_id, {_MONTH.format(instant="decided_at")} AS month,
                   NULL AS currency, count(*) AS redeemed, 0 AS given_minor, 0 AS reversed_minor
            FROM redemptions WHERE reason IS NULL AND {redemptions} GROUP BY project, voucher_id, month
            UNION ALL {of_entries} UNION ALL {of_reversals}
        ) AS sums
        GROUP BY project, voucher_id, month, currency
    """  # noqa: S608 - put together from the constants above, and conditions of this code


def sum_discounts(
    session: Session, *, of: ReportedSums, after: UUID | None, before: UUID | None, limit: int
) -> Sequence[ReportRow]:
    """Return the sums of at most `limit` vouchers, the newest first, each in order of the months.

    `after` and `before` are positions: only older, or only newer vouchers are read.
    """
    conditions = {
        name: _IN_PROJECT.format(span=_IN_SPAN.format(instant=instant)) + ("" if of.voucher_id is None else owner)
        for name, instant, owner in (
            ("redemptions", "decided_at", "AND voucher_id = :voucher_id"),
            ("entries", "created_at", _OF_DISCOUNTS),
            ("reversals", "created_at", _OF_DISCOUNTS),
        )
    }
    beyond = "true" if after is None else "voucher_id < :after"
    order = "DESC"
    if before is not None:
        beyond, order = "voucher_id > :before", "ASC"
    page = _PAGE.format(summed=sums_by_month(**conditions), beyond=beyond, order=order)
    parameters = {
        "project": of.project,
        "voucher_id": of.voucher_id,
        "first": of.first,
        "end": of.end,
        "after": after,
        "before": before,
        "limit": limit,
    }
    return session.execute(text(page), parameters).all()
