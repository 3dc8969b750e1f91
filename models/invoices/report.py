"""Sum redemptions and the ledger by voucher, month and currency, in one statement.

A month is that in UTC in which a redemption was decided, an entry was added or a reversal was made.
"""

from collections.abc import Sequence
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import HIGHEST_ID, LOWEST_ID
from models.vouchers.filter import VoucherFilter

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
    WITH summed AS MATERIALIZED (
        SELECT {position} AS position, {label} AS label, month, currency, sum(redeemed)::bigint AS redeemed,
               sum(given_minor)::bigint AS given_minor, sum(reversed_minor)::bigint AS reversed_minor
        FROM ({sums}) AS of_voucher
        JOIN (
            SELECT id, name, campaign FROM vouchers
            WHERE project = :project AND id >= :lowest AND id < :highest AND {vouchers}
        ) AS voucher ON voucher.id = of_voucher.voucher_id
        GROUP BY 1, 2, month, currency
    ),
    listed AS (
        SELECT DISTINCT position FROM summed WHERE {beyond} ORDER BY position {order} LIMIT :limit
    )
    SELECT summed.*,
           EXISTS (SELECT FROM summed WHERE position {after} ALL (SELECT position FROM listed)) AS has_more_after,
           EXISTS (SELECT FROM summed WHERE position {before} ALL (SELECT position FROM listed)) AS has_more_before
    FROM listed JOIN summed ON summed.position = listed.position
    ORDER BY position {page_order}, month, currency NULLS FIRST
"""


class Grouping(StrEnum):
    """What the sums of a report are of."""

    VOUCHER = "voucher"
    CAMPAIGN = "campaign"


@value
class _Order:
    """The groups of a report: their position in the list, their label, and whether positions ascend."""

    position: str
    label: str
    ascends: bool


# Vouchers are listed newest first. The sums without a campaign come before all campaigns, under an empty text.
_ORDERS = {
    Grouping.VOUCHER: _Order(position='CAST(voucher.id AS text) COLLATE "C"', label="voucher.name", ascends=False),
    Grouping.CAMPAIGN: _Order(
        position="coalesce(voucher.campaign, '') COLLATE \"C\"", label="voucher.campaign", ascends=True
    ),
}


@value
class ReportedSums:
    """A filter for sums of a project: those of a voucher or of some, in the span of time [first, end)."""

    project: str
    voucher_id: UUID | None
    first: datetime
    end: datetime
    vouchers: VoucherFilter = field(default_factory=VoucherFilter)
    group_by: Grouping = Grouping.VOUCHER


class ReportRow(Protocol):
    """The sums of a group in a month: redemptions without a currency, or minor units of a currency.

    A group is a voucher with its name, or a campaign. `has_more_after` and `has_more_before` say whether there are
    groups after and before those of the page.
    """

    position: str
    label: str | None
    month: date
    currency: str | None
    redeemed: int
    given_minor: int
    reversed_minor: int
    has_more_after: bool
    has_more_before: bool


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
    session: Session, *, of: ReportedSums, after: str | None, before: str | None, limit: int
) -> Sequence[ReportRow]:
    """Return the sums of at most `limit` groups, each in order of the months: newest vouchers first, or campaigns.

    `after` and `before` are positions.
    """
    conditions = {
        name: _IN_PROJECT.format(span=_IN_SPAN.format(instant=instant)) + ("" if of.voucher_id is None else owner)
        for name, instant, owner in (
            ("redemptions", "decided_at", "AND voucher_id = :voucher_id"),
            ("entries", "created_at", _OF_DISCOUNTS),
            ("reversals", "created_at", _OF_DISCOUNTS),
        )
    }
    group = _ORDERS[of.group_by]
    (forward, after_sign), (backward, before_sign) = (("ASC", ">"), ("DESC", "<"))[:: 1 if group.ascends else -1]
    beyond, order = "true", forward
    if after is not None:
        beyond = f"position {after_sign} :after"
    if before is not None:
        beyond, order = f"position {before_sign} :before", backward
    page = _PAGE.format(
        sums=sums_by_month(**conditions),
        vouchers=" AND ".join(of.vouchers.conditions()) or "true",
        position=group.position,
        label=group.label,
        beyond=beyond,
        order=order,
        page_order=forward,
        after=after_sign,
        before=before_sign,
    )
    lowest, highest = of.vouchers.narrow(LOWEST_ID, HIGHEST_ID)
    parameters = {
        "project": of.project,
        "voucher_id": of.voucher_id,
        "first": of.first,
        "end": of.end,
        "after": after,
        "before": before,
        "limit": limit,
        "lowest": lowest,
        "highest": highest,
        **of.vouchers.parameters(),
    }
    return session.execute(text(page), parameters).all()
