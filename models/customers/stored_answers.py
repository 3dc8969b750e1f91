"""Rename a customer in the stored answers of writes and in generations of codes, which no index finds by customer.

They are read once for each erasure, in pages by their keys, so that no statement takes long.
"""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import rows_affected
from models.customers.erasure import ErasureRow
from models.customers.renaming import names_customer, parameters_of, renamed

# The task and the key of the last answer of a page.
AnswerPosition = tuple[str, str]
FIRST_ANSWER: AnswerPosition = ("", "")

_PAGE_OF_ANSWERS = """
    SELECT task, key FROM write_answers
    WHERE project = :project AND (task, key) > (:after_task, :after_key) ORDER BY task, key LIMIT :limit
"""
_LAST_ANSWER = text(f"SELECT task, key FROM ({_PAGE_OF_ANSWERS}) AS page ORDER BY task DESC, key DESC LIMIT 1")  # noqa: S608 - the constant above
# The fingerprint of a body without the customer stays, so that its repetitions are answered as before.
_RENAME_ANSWERS = text(f"""
    UPDATE write_answers
    SET answer = {renamed("answer")},
        fingerprint = CASE WHEN write_answers.task = ANY(:tasks) THEN sha256(:key || fingerprint) ELSE fingerprint END
    FROM ({_PAGE_OF_ANSWERS}) AS page
    WHERE write_answers.project = :project AND write_answers.task = page.task AND write_answers.key = page.key
          AND {names_customer("answer")}
""")  # noqa: S608 - the constants above
_RENAME_GENERATIONS = text(f"""
    UPDATE code_generations SET parameters = {renamed("parameters")}, fingerprint = sha256(:key || fingerprint)
    WHERE project = :project AND created_at <= :until AND {names_customer("parameters")}
""")  # noqa: S608 - the constants above


def rename_answers(
    session: Session, *, erasure: ErasureRow, after: AnswerPosition, limit: int, tasks: Collection[str]
) -> tuple[int, AnswerPosition | None]:
    """Rename a page of stored answers, and return how many were, and the position of the last, or None at the end.

    `tasks` are those whose requests have the customer: their fingerprints are changed.
    """
    page = {"after_task": after[0], "after_key": after[1], "limit": limit}
    last = session.execute(_LAST_ANSWER, {"project": erasure.project, **page}).one_or_none()
    if last is None:
        return 0, None
    changed = session.execute(_RENAME_ANSWERS, {**parameters_of(erasure), **page, "tasks": list(tasks)})
    return rows_affected(changed), (last.task, last.key)


def rename_generations(session: Session, *, erasure: ErasureRow) -> int:
    """Rename the customer in the generations of codes, and return how many rows."""
    return rows_affected(session.execute(_RENAME_GENERATIONS, parameters_of(erasure)))
