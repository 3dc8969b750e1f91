"""Delete rows that were kept long enough, a bounded number at a time. Locked rows are left to the next run."""

from datetime import datetime

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.base import first_id_at, rows_affected

# Append-only tables refuse a DELETE without this setting of the transaction.
_ALLOW = text("SELECT set_config('scrip.pruned', :table, true)")
_NEXT_PROJECT = text("""
    SELECT min(project COLLATE "POSIX") FROM redemptions WHERE project COLLATE "POSIX" > :project
""")
# Ids ascend with time, so the index of a reason begins with the oldest. The instant is compared too: workers make ids
# by their own clocks, and instants are the database's.
_REFUSED = text("""
    DELETE FROM redemptions
    USING (
        SELECT project, request_id FROM redemptions
        WHERE project COLLATE "POSIX" = :project AND reason IS NOT NULL AND id < :id AND decided_at < :before
        LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE redemptions.project = old.project AND redemptions.request_id = old.request_id
""")
_REFUSED_HOLDS = text("""
    DELETE FROM holds
    USING (
        SELECT project, request_id FROM holds WHERE status = 'refused' AND created_at < :before
        LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE holds.project = old.project AND holds.request_id = old.request_id
""")
_ANSWERS = text("""
    DELETE FROM write_answers
    USING (
        SELECT project, task, key FROM write_answers WHERE created_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE write_answers.project = old.project AND write_answers.task = old.task AND write_answers.key = old.key
""")
_DEAD_LETTERS = text("""
    WITH gone AS (
        DELETE FROM dead_letters
        USING (
            SELECT project, id FROM dead_letters WHERE died_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE dead_letters.project = old.project AND dead_letters.id = old.id
        RETURNING dead_letters.project, dead_letters.task_id
    ), forgotten AS (
        DELETE FROM attempts USING gone WHERE attempts.project = gone.project AND attempts.task_id = gone.task_id
    )
    SELECT count(*) FROM gone
""")


def next_project(session: Session, *, after: str) -> str | None:
    """Return the next project that has redemptions, in the order of bytes, or None."""
    project: str | None = session.execute(_NEXT_PROJECT, {"project": after}).scalar_one()
    return project


def prune_refused(session: Session, *, project: str, before: datetime, limit: int) -> int:
    """Delete at most `limit` refused redemptions of a project that were decided before an instant."""
    session.execute(_ALLOW, {"table": "redemptions"})
    parameters = {"project": project, "id": first_id_at(before), "before": before, "limit": limit}
    return rows_affected(session.execute(_REFUSED, parameters))


def prune_refused_holds(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` refused requests for a hold that were decided before an instant."""
    return _prune(session, _REFUSED_HOLDS, before=before, limit=limit)


def prune_answers(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` stored answers of writes without a row of their own."""
    session.execute(_ALLOW, {"table": "write_answers"})
    return _prune(session, _ANSWERS, before=before, limit=limit)


def prune_dead_letters(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` dead letters that were given up before an instant, with their attempts."""
    count: int = session.execute(_DEAD_LETTERS, {"before": before, "limit": limit}).scalar_one()
    return count


def _prune(session: Session, statement: TextClause, *, before: datetime, limit: int) -> int:
    return rows_affected(session.execute(statement, {"before": before, "limit": limit}))
