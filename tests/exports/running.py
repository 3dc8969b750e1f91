"""Write exports as the systems write them, import them, and send a year of invoices afterwards."""

import csv
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text

from domain.recurrence import add_months
from models.base import Base
from tests.command_line.running import Done, scrip
from tests.support.requests import apply
from worker.database import transaction

# Each current period began ten days ago, so that a discount may have begun within it. On a day that all months have.
TODAY = datetime.now(UTC).date()
START = min(TODAY - timedelta(days=10), (TODAY - timedelta(days=10)).replace(day=28))
MONTHS = 12
AMOUNT = 8_000


class Imported(NamedTuple):
    """How an import ended, and the lines of its report."""

    done: Done
    lines: list[dict[str, str]]

    def outcomes(self) -> list[tuple[str, str, str]]:
        """Return the object, the id and the outcome of each line."""
        return [(each["object"], each["id"], each["outcome"]) for each in self.lines]

    def reasons(self) -> dict[str, str]:
        """Return the reasons by the id of the object, if there are any."""
        return {each["id"]: each["reason"] for each in self.lines if each["reason"]}


def month(number: int) -> date:
    """Return the start of a period: 0 is the current one."""
    return add_months(START, months=number)


def at(day: date, *, hours: int = 0) -> datetime:
    """Return the beginning of a day in UTC, or so many hours later."""
    return datetime.combine(day, time(hours), UTC)


def seconds(day: date, *, hours: int = 0) -> int:
    """Return the beginning of a day as Stripe writes it."""
    return int(at(day, hours=hours).timestamp())


def rfc3339(day: date, *, hours: int = 0) -> str:
    """Return the beginning of a day as Polar and Lago write it."""
    return at(day, hours=hours).isoformat().replace("+00:00", "Z")


def json_lines(folder: Path, records: Iterable[Any], *, name: str = "export.jsonl") -> str:
    """Write records as JSON Lines and return the path."""
    path = folder / name
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return str(path)


def document(folder: Path, value: Any, *, name: str) -> str:
    """Write a list answer and return the path."""
    path = folder / name
    path.write_text(json.dumps(value, indent=2))
    return str(path)


def run(system: str, *files: str, folder: Path, applied: bool = True) -> Imported:
    """Import files, and return the end and the report."""
    report = folder / "report.csv"
    done = scrip("import", system, *files, "--report", str(report), "--json", *(["--apply"] if applied else []))
    return Imported(done, read_report(report))


def read_report(path: Path) -> list[dict[str, str]]:
    """Return the lines of a report."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def year(subscription: str, customer: str, **fields: Any) -> list[int]:
    """Return what the invoices of the next twelve months take off, each over 80.00."""
    periods = pairwise(month(number) for number in range(1, MONTHS + 2))
    return [
        AMOUNT - _total(subscription=subscription, customer=customer, start=start, end=end, fields=fields)
        for start, end in periods
    ]


def _total(*, subscription: str, customer: str, start: date, end: date, fields: dict[str, Any]) -> int:
    answer = apply(
        subscription=subscription,
        customer=customer,
        period={"start": start.isoformat(), "end": end.isoformat()},
        **fields,
    )
    return sum(line["total"] for line in answer["lines"])


def rows() -> dict[str, int]:
    """Return the number of rows of each table."""
    with transaction() as session:
        return {
            name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - our own names
            for name in Base.metadata.tables
        }
