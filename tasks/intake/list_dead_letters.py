"""List the dead letters of a project, for the caller whose requests they are. Only the operator sees the messages."""

from sqlalchemy.orm import Session

from models.intake.dead_letter import ProjectDeadLetterRow, newer_dead_letters, older_dead_letters
from tasks.intake.messages import ListDeadLetters
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer, instant
from tasks.wire.fields import type_id
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("dead_letters.list", message=ListDeadLetters, first_answer=AnswerTable.READS)
def list_(request: ListDeadLetters) -> Answer:
    """List the messages of a project that were given up, newest first, in pages, without any value that was sent."""
    with transaction() as session:
        return list_dead_letters(session, request)


def list_dead_letters(session: Session, request: ListDeadLetters) -> Answer:
    """Return a page of dead letters, newest first, with the positions of the next and the previous page."""
    project = request.project
    return page_answer(
        request,
        prefix="dea",
        item=dead_letter_answer,
        older=lambda than, limit: older_dead_letters(session, project=project, than=than, limit=limit),
        newer=lambda than, limit: newer_dead_letters(session, project=project, than=than, limit=limit),
    )


def dead_letter_answer(row: ProjectDeadLetterRow) -> Answer:
    """Return a dead letter without any value of the message."""
    return {
        "object": "deadLetter",
        "id": type_id("dea", row.id),
        "project": row.project,
        "taskId": row.task_id,
        "task": row.task,
        "reason": row.reason,
        "attempts": row.attempts,
        "diedAt": instant(row.died_at),
    }
