"""A kind of subject, such as discounts: those with new rows, and all that the checks read of them.

For the length of a transaction, temporary tables with the names of the real ones have only the rows of these subjects.
So the audit of changes runs the very queries of the audit of everything. A table that is not replaced is read by key.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from worker.database import allow_long_statements

# A temporary table has no index, so its rows are joined by hashes. In a real table, an index finds the rows by key, and
# a BRIN index those of a span of time. Compiling a query would take longer than the query.
_PLANS = "; ".join(
    f"SET LOCAL {name} = {state}"
    for name, state in {
        "enable_hashjoin": "on",
        "enable_mergejoin": "on",
        "enable_bitmapscan": "on",
        "enable_seqscan": "off",
        "jit": "off",
        "max_parallel_workers_per_gather": 0,
        # The default is too little for the rows of a group, which would then be sorted on disk.
        "work_mem": "'64MB'",
    }.items()
)
# The table `changed` of subjects that are looked at in groups.
GROUP = "SELECT * FROM unnest(CAST(:projects AS text[]), CAST(:ids AS uuid[])) AS listed (project, id)"


def in_span(instant: str) -> str:
    """Return the condition that a column is in the span [first, end) that is audited."""
    return f"{instant} >= CAST(:first AS timestamptz) AND {instant} < CAST(:end AS timestamptz)"


@value
class Subject:
    """A kind of subject that checks are about.

    `changed` selects the keys of the subjects with a row of the span, and becomes the table `changed`. `tables` selects
    the rows that belong to them, by the name of the table. A later query reads what the earlier ones have selected.
    If most changes are of a few subjects, `listed` selects the subjects with their sizes, for groups of a bounded size.
    """

    changed: str
    tables: Mapping[str, str]
    checks: tuple[str, ...]
    listed: str | None = None

    def replace_tables(self, session: Session, *, parameters: Mapping[str, Any]) -> bool:
        """Let the transaction see only what belongs to changed subjects, and return whether there are any.

        Call this before any other statement of the transaction, which then cannot change anything. Its end drops the
        temporary tables.
        """
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        # Wherever else the schema of temporary tables stands in the path, it comes first.
        session.execute(text("SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)"))
        set_plans(session)
        if not _create(session, "changed", self.changed, parameters):
            return False
        for name, query in self.tables.items():
            _create(session, name, query, parameters)
        # A prepared statement would go on reading the real tables.
        session.execute(text("DISCARD PLANS"))
        session.execute(text("SET TRANSACTION READ ONLY"))
        return True


def set_plans(session: Session) -> None:
    """Let the statements of the transaction find rows by time, never read a whole table, and take as long as they need.

    Much may belong to a subject. A statement that is cancelled would be as slow when the audit begins again.
    """
    allow_long_statements(session.connection())
    session.execute(text(_PLANS))


def _create(session: Session, name: str, query: str, parameters: Mapping[str, Any]) -> int:
    # The query itself still reads the real table of that name.
    created: Any = session.execute(text(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}"), parameters)
    return int(created.rowcount)
