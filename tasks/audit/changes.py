"""The audit of what changed: each check on the subjects with new rows, in short transactions."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from math import ceil
from typing import Any

from sqlalchemy import text

from tasks.audit.audit import Violation, run_check
from tasks.audit.changed_discounts import DISCOUNTS, HOLDS, SUBSCRIPTIONS
from tasks.audit.changed_invoices import LEDGER, REVERSED_INVOICES
from tasks.audit.changed_vouchers import CODES, CUSTOMERS, HISTORIES, VOUCHERS
from tasks.audit.pace import Pace
from tasks.audit.subject import Subject, in_span, set_plans
from worker.database import transaction

SUBJECTS = (
    VOUCHERS,
    CODES,
    HISTORIES,
    CUSTOMERS,
    DISCOUNTS,
    SUBSCRIPTIONS,
    HOLDS,
    LEDGER,
    REVERSED_INVOICES,
)
# A transaction is about so many new rows, or about vouchers or codes with so many redemptions, and then the audit
# rests. Larger ones would keep a core busy for seconds.
ROWS_MAX = 5_000
GROUP_SIZE_MAX = 20_000
_COUNT = " + ".join(
    f"(SELECT count(*) FROM {table} WHERE {in_span(instant)})"  # noqa: S608 - our own names
    for table, instant in {
        "redemptions": "decided_at",
        "holds": "created_at",
        "invoice_discounts": "applied_at",
        "usage_records": "created_at",
    }.items()
)
Parameters = dict[str, Any]


def audit_changes(*, first: datetime, end: datetime, pace: Pace) -> list[Violation]:
    """Return the violations by all that belongs to the subjects with new rows of the span [first, end)."""
    with pace.work():
        spans = divided(first, end)
    found: dict[Violation, None] = {}
    for subject in SUBJECTS:
        with pace.work():
            parts = list(_groups(subject, first=first, end=end)) if subject.listed else spans
        for part in parts:
            with pace.work():
                found |= dict.fromkeys(_check(subject, part))
    return list(found)


def divided(first: datetime, end: datetime) -> list[Parameters]:
    """Return the span in equal parts, so many that a part has about ROWS_MAX new rows."""
    with transaction() as session:
        set_plans(session)
        rows = session.execute(text(f"SELECT {_COUNT}"), {"first": first, "end": end}).scalar_one()
    parts = max(1, ceil(rows / ROWS_MAX))
    instants = [first + (end - first) * part / parts for part in range(parts)] + [end]
    return [{"first": begin, "end": until} for begin, until in pairwise(instants)]


def _groups(subject: Subject, *, first: datetime, end: datetime) -> Iterator[Parameters]:
    """Yield the subjects that have changed in groups of a bounded size."""
    with transaction() as session:
        set_plans(session)
        listed = session.execute(text(subject.listed or ""), {"first": first, "end": end}).all()
    group: Parameters = {"projects": [], "ids": []}
    size = 0
    for row in listed:
        # A subject without redemptions takes time too.
        size += row.size + 1
        if group["ids"] and size > GROUP_SIZE_MAX:
            yield group
            group, size = {"projects": [], "ids": []}, row.size + 1
        group["projects"].append(row.project)
        group["ids"].append(row.id)
    if listed:
        yield group


def _check(subject: Subject, parameters: Parameters) -> list[Violation]:
    with transaction() as session:
        if not subject.replace_tables(session, parameters=parameters):
            return []
        return [each for check in subject.checks for each in run_check(session, check=check)]
