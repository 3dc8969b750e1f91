"""The audit: checks of the whole database. Each check is a query for the violations of a promise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import read_one_snapshot
from tasks.audit.caps import CAP_CHECKS
from tasks.audit.codes import CODE_CHECKS
from tasks.audit.copied_terms import COPIED_TERM_CHECKS
from tasks.audit.discount_changes import DISCOUNT_CHANGE_CHECKS
from tasks.audit.discounts import DISCOUNT_CHECKS
from tasks.audit.exclusive_discounts import EXCLUSIVE_CHECKS
from tasks.audit.holds import HOLD_CHECKS
from tasks.audit.imported import IMPORTED_CHECKS
from tasks.audit.ramps import RAMP_CHECKS
from tasks.audit.redemptions import REDEMPTION_CHECKS
from tasks.audit.returned_places import RETURNED_PLACE_CHECKS
from tasks.audit.reversals import LEDGER_TABLES, REVERSAL_CHECKS
from tasks.audit.usage_records import USAGE_RECORD_CHECKS
from tasks.audit.voucher_changes import VOUCHER_CHANGE_CHECKS
from worker.database import read_whole_tables, transaction

# Each query returns a row for each violation, with the columns project, subject and detail.
CHECKS = {
    **REDEMPTION_CHECKS,
    **DISCOUNT_CHECKS,
    **RAMP_CHECKS,
    **DISCOUNT_CHANGE_CHECKS,
    **CODE_CHECKS,
    **USAGE_RECORD_CHECKS,
    **HOLD_CHECKS,
    **REVERSAL_CHECKS,
    **RETURNED_PLACE_CHECKS,
    **CAP_CHECKS,
    **IMPORTED_CHECKS,
    **COPIED_TERM_CHECKS,
    **EXCLUSIVE_CHECKS,
    **VOUCHER_CHANGE_CHECKS,
}


def _nowhere(_ended: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A row that breaks a promise, with the values that disagree."""

    check: str
    project: str
    subject: str
    detail: str


def audit(*, checks: Iterable[str] = CHECKS, report: Callable[[int], None] = _nowhere) -> list[Violation]:
    """Return every violation in the database that the named checks find, and report the number of ended checks."""
    with transaction() as session:
        # All checks read the same snapshot, because redemptions go on while the audit runs.
        read_one_snapshot(session)
        read_whole_tables(session.connection())
        found = list[Violation]()
        for number, check in enumerate(checks, start=1):
            found += run_check(session, check=check)
            report(number)
        return found


def audit_alone(*, check: str) -> list[Violation]:
    """Return the violations that a check finds in the whole database, in a transaction and a process of its own.

    A snapshot that lasts longer would keep the server from tidying up rows that are updated often.
    """
    with transaction() as session:
        read_one_snapshot(session)
        read_whole_tables(session.connection())
        session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
        return run_check(session, check=check)


def run_check(session: Session, *, check: str) -> list[Violation]:
    """Return the violations that the check finds."""
    rows = session.execute(text(LEDGER_TABLES + CHECKS[check]))
    return [Violation(check=check, project=row.project, subject=row.subject, detail=row.detail) for row in rows]
