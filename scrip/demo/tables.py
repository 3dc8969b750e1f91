"""The demo's tables. Each shows expected and found numbers side by side, and marks deviations."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scrip.demo.checks import Check, matches
from scrip.demo.client import Exchange, Json

DEVIATIONS_SHOWN = 5
DEVIATION_LENGTH = 600


def mark(*, holds: bool) -> str:
    """Return the sign at the end of a row."""
    return "[green]✓[/]" if holds else "[bold red]✗[/]"


def number(value: int | None) -> str:
    """Return a number with thousands separators."""
    return "none" if value is None else f"{value:,}"


def table(title: str, *headings: str) -> Table:
    """Return an empty table. A heading that starts with `>` belongs to a column of numbers."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        made.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    return made


def checks_table(title: str, heading: str, checks: Iterable[Check]) -> Table:
    """Return a table with a row for each check."""
    made = table(title, heading, ">found", ">expected", "")
    for check in checks:
        made.add_row(check.title, number(check.found), number(check.expected), mark(holds=check.holds))
    return made


def scenarios_table(checks: Iterable[Check]) -> Table:
    """Return a table with a row for each answer that a scenario gets, or should get."""
    made = table("Redemption requests by scenario", "scenario", "answer", ">found", ">expected", "")
    for scenario, group in groupby(checks, key=lambda check: check.about):
        for row, check in enumerate(group):
            shown = "" if row else scenario
            made.add_row(shown, check.title, number(check.found), number(check.expected), mark(holds=check.holds))
    return made


def cycles_table(cycles: Sequence[Sequence[Check]]) -> Table:
    """Return a table with a row for each cycle and two columns for each currency."""
    currencies = [check.about for check in cycles[0]]
    headings = [heading for currency in currencies for heading in (f">{currency}", ">expected")]
    made = table("Discounts by cycle and currency, in minor units", ">cycle", *headings, "")
    for row in cycles:
        amounts = [number(amount) for check in row for amount in (check.found, check.expected)]
        made.add_row(row[0].title, *amounts, mark(holds=all(check.holds for check in row)))
    return made


def subscription_table(exchanges: Iterable[Exchange]) -> Table:
    """Return a table with a row for each invoice of a subscription."""
    rows = list(exchanges)
    name = rows[0].line["request"]["subscription"]
    headings = ("period from", ">subtotal", ">discount", ">expected", ">total", ">cycle", "fullPriceFrom", "")
    made = table(f"{name}, invoice by invoice", *headings)
    for line, answer in rows:
        made.add_row(*subscription_row(line, answer))
    return made


def subscription_row(line: Json, answer: Json) -> list[str]:
    """Return the cells of an invoice."""
    wanted, given = line["answer"], answer.get("discounts", ())
    return [
        line["request"]["period"]["start"],
        number(answer.get("subtotal")),
        number(answer.get("discountTotal")),
        number(wanted["discountTotal"]),
        number(answer.get("total")),
        ", ".join(str(each["cycle"]) for each in given),
        ", ".join(str(each["fullPriceFrom"]) for each in given),
        mark(holds=matches(wanted, answer)),
    ]


def print_deviations(console: Console, checks: Iterable[Check]) -> None:
    """Print the first five deviations of each check that does not hold."""
    for check in checks:
        for deviation in check.deviations[:DEVIATIONS_SHOWN]:
            console.print(f"[red]{check.title}:[/] {escape(deviation[:DEVIATION_LENGTH])}")
