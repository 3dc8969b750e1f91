"""The audit: what must hold over the whole database, each promise one query that returns its violations."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import read_one_snapshot
from tasks.audit.caps import CAP_CHECKS
from tasks.audit.cards import CARD_CHECKS
from tasks.audit.codes import CODE_CHECKS
from tasks.audit.discounts import DISCOUNT_CHECKS
from tasks.audit.holds import HOLD_CHECKS
from tasks.audit.places import PLACE_CHECKS
from tasks.audit.redemptions import REDEMPTION_CHECKS
from tasks.audit.reversals import REVERSAL_CHECKS, UNREVERSED_ENTRIES
from worker.database import transaction

# Each query returns project, subject and detail, a row for each violation.
CHECKS = {
    **REDEMPTION_CHECKS,
    **DISCOUNT_CHECKS,
    **CODE_CHECKS,
    **CARD_CHECKS,
    **HOLD_CHECKS,
    **REVERSAL_CHECKS,
    **PLACE_CHECKS,
    **CAP_CHECKS,
}

# A task's connection is set up to find few rows by their keys, and quickly. The audit reads them all.
WHOLE_DATABASE_SETTINGS = (
    "statement_timeout = 0",
    "enable_seqscan = on",
    "enable_bitmapscan = on",
    "enable_mergejoin = on",
    "enable_hashjoin = on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that does not hold: which, in which project, for which row, and by how much."""

    check: str
    project: str
    subject: str
    detail: str


def audit() -> list[Violation]:
    """This function will return every violation in the database; an empty list is what it is for."""
    with transaction() as session:
        # It reads everything, however long that takes, in one snapshot: redemptions go on meanwhile.
        read_one_snapshot(session)
        for setting in WHOLE_DATABASE_SETTINGS:
            session.execute(text(f"SET LOCAL {setting}"))
        return [violation for check in CHECKS for violation in run_check(session, check=check)]


def run_check(session: Session, *, check: str) -> list[Violation]:
    """This function will run one of the checks and return a row for each violation."""
    rows = session.execute(text(UNREVERSED_ENTRIES + CHECKS[check]))
    return [Violation(check=check, project=row.project, subject=row.subject, detail=row.detail) for row in rows]
