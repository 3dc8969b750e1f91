"""`scrip reports …`: what vouchers gave, by month."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from scrip.commands.endings import only_reads
from scrip.commands.options import After, AsJson, Project
from scrip.commands.output import columns, show_pages
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import Pages

commands = typer.Typer(no_args_is_help=True, help="Reports over the ledger, for finance.")

REPORTED_COLUMNS = columns("voucher", "name", "month", "redeemed", "given", "reversed", "net")


class MonthPages(Pages):
    """The pages of a report with an item for each voucher and month, in place of one for each voucher."""

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the months of the vouchers of each page."""
        for page in super().__iter__():
            yield [
                {"voucher": each["voucher"], "name": each["name"], **month} for each in page for month in each["months"]
            ]


@commands.callback()
def reports() -> None:
    """Keep `discounts` a command of its own, although there is no other."""


@commands.command()
def discounts(
    *,
    project: Project,
    voucher: Annotated[str | None, typer.Option(help="Of the voucher with this id.")] = None,
    month_from: Annotated[str | None, typer.Option(help="From this month on, such as 2027-02.")] = None,
    month_before: Annotated[str | None, typer.Option(help="Before this month.")] = None,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Report by voucher and month: redeemed, given, reversed, and the difference. Amounts are in minor units.

    With `--json`, each object is a voucher with its months.
    """
    fields = {"voucher": voucher, "monthFrom": month_from, "monthBefore": month_before, "after": after}
    with only_reads(as_json=as_json):
        pages = Pages if as_json else MonthPages
        request = request_body({"project": project, **fields})
        show_pages(pages("reports.discounts", request, limit=None), REPORTED_COLUMNS, as_json=as_json)
