"""`scrip reports …`: what vouchers gave, by month."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from scrip.commands.endings import only_reads
from scrip.commands.options import (
    After,
    AsJson,
    Campaign,
    CreatedBefore,
    CreatedFrom,
    MetadataPair,
    NameBeginning,
    Project,
)
from scrip.commands.output import columns, show_pages
from scrip.commands.request_body import read_pair, request_body
from scrip.commands.use_cases import Pages

commands = typer.Typer(no_args_is_help=True, help="Reports over the ledger, for finance.")

_SUMS = ("month", "redeemed", "given", "reversed", "net")
COLUMNS_BY_GROUP = {"voucher": columns("voucher", "name", *_SUMS), "campaign": columns("campaign", *_SUMS)}


class MonthPages(Pages):
    """The pages of a report with an item for each month, in place of one for each voucher or campaign."""

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the months of each page."""
        for page in super().__iter__():
            yield [{**each, **month} for each in page for month in each["months"]]


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
    group_by: Annotated[str, typer.Option(help="voucher or campaign.")] = "voucher",
    campaign: Campaign = None,
    name: NameBeginning = None,
    metadata: MetadataPair = None,
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Report by voucher or campaign, and by month: redeemed, given, reversed, the difference. Amounts: minor units.

    With `--json`, each object is a voucher or a campaign with its months.
    """
    fields = {
        "voucher": voucher,
        "monthFrom": month_from,
        "monthBefore": month_before,
        "groupBy": group_by,
        "campaign": campaign,
        "name": name,
        "metadata": read_pair(metadata, as_json=as_json),
        "createdFrom": created_from,
        "createdBefore": created_before,
        "after": after,
    }
    shown = COLUMNS_BY_GROUP.get(group_by, {})
    with only_reads(as_json=as_json):
        pages = Pages if as_json else MonthPages
        request = request_body({"project": project, **fields})
        show_pages(pages("reports.discounts", request, limit=None), shown, as_json=as_json)
