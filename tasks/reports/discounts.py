"""Report how often vouchers were redeemed, and what they gave, by month and currency."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy.orm import Session

from models.invoices.report import Grouping, ReportedSums, ReportRow, sum_discounts
from tasks.intake.task import contract_task
from tasks.reports.messages import ReportDiscounts
from tasks.wire.answers import Answer
from tasks.wire.fields import YEAR_MAX, YEAR_MIN, type_id
from tasks.wire.pages import answer_with
from tasks.wire.replay import AnswerTable
from worker.database import read_whole_tables, transaction

FIRST_MONTH, LAST_MONTH = date(YEAR_MIN, 1, 1), date(YEAR_MAX, 12, 31)


@contract_task("reports.discounts", message=ReportDiscounts, first_answer=AnswerTable.READS)
def report(request: ReportDiscounts) -> Answer:
    """Report redemptions, and given and reversed amounts, by voucher or campaign, by month and currency, in pages."""
    with transaction() as session:
        read_whole_tables(session.connection())
        return report_discounts(session, request)


def report_discounts(session: Session, request: ReportDiscounts) -> Answer:
    """Return a page of vouchers, newest first, or of campaigns, each with its months.

    All amounts of a page are of the same instant, since one statement reads them.
    """
    rows = sum_discounts(
        session,
        of=ReportedSums(
            project=request.project,
            voucher_id=request.voucher,
            first=_beginning(request.month_from or FIRST_MONTH),
            end=_beginning(request.month_before or LAST_MONTH),
            vouchers=request.filter(),
            group_by=request.group_by,
        ),
        after=request.after,
        before=request.before,
        limit=request.limit,
    )
    return answer_with(
        rows,
        items=[_item(list(group), of=request.group_by) for _, group in groupby(rows, key=attrgetter("position"))],
        more_after=bool(rows and rows[0].has_more_after),
        more_before=bool(rows and rows[0].has_more_before),
        shown=lambda row: _position(row, of=request.group_by),
    )


def _beginning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _position(row: ReportRow, *, of: Grouping) -> str:
    return row.position if of is Grouping.CAMPAIGN else type_id("vou", UUID(row.position))


def _item(rows: Sequence[ReportRow], *, of: Grouping) -> Answer:
    label = rows[0].label
    named = {"campaign": label} if of is Grouping.CAMPAIGN else {"voucher": _position(rows[0], of=of), "name": label}
    months = [_month(month, list(group)) for month, group in groupby(rows, key=attrgetter("month"))]
    return {"object": "discountReport", **named, "months": months}


def _month(month: date, rows: Sequence[ReportRow]) -> Answer:
    return {
        "month": f"{month:%Y-%m}",
        "redeemed": sum(row.redeemed for row in rows),
        "given": _by_currency((row.currency, row.given_minor) for row in rows),
        "reversed": _by_currency((row.currency, row.reversed_minor) for row in rows),
        "net": {row.currency: row.given_minor - row.reversed_minor for row in rows if row.currency is not None},
    }


def _by_currency(amounts: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    return {currency: amount for currency, amount in amounts if currency is not None and amount}
