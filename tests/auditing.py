"""The whole audit as one statement: it is looked at after each test, and round trips take twice as long."""

from sqlalchemy import text

from tasks.audit import CHECKS, expect_all_rows
from tasks.audit_reversals import STANDING_ENTRIES
from worker.db import transaction

_VIOLATIONS = text(
    STANDING_ENTRIES
    + " UNION ALL ".join(
        f"SELECT '{name.replace(chr(39), chr(39) * 2)}' AS broken, project, subject, detail FROM ({query}) AS found"  # noqa: S608 - our own queries
        for name, query in CHECKS.items()
    )
)


def violations() -> list[tuple[str, ...]]:
    """This function will return what the audit finds, each with the name of its check."""
    with transaction() as session:
        expect_all_rows(session)
        return [tuple(row) for row in session.execute(_VIOLATIONS)]
