"""Import discounts that ran in another system, so that they run on here from where they were."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tasks.discounts.import_batch import Asked, ImportBatch
from tasks.discounts.messages import ImportDiscount, ImportDiscounts
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.bulk import answer_each
from tasks.wire.errors import InvalidRequest
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


def import_all(session: Session, requests: Sequence[ImportDiscount]) -> list[Answer | InvalidRequest]:
    """Import discounts in the order given, and return an answer for each, or the error that says what cannot be so.

    A reference that was imported before gets the first answer again. Nothing is kept of a refusal.
    A unique violation means that another transaction imported one of the references at the same moment: run it again.
    """
    asked = [Asked(request=each, key=(each.project, each.ref), fingerprint=each.fingerprint()) for each in requests]
    batch = ImportBatch.locked(session, asked)
    answers = [batch.decide(each) for each in asked]
    batch.write(session)
    return answers


@contract_task("discounts.import", message=ImportDiscount, first_answer=AnswerTable.IMPORTED_DISCOUNTS)
def import_(request: ImportDiscount) -> Answer:
    """Import a discount of another system with its cycles and amounts so far."""
    answer = run_in_transaction(lambda session: import_all(session, [request]))[0]
    if isinstance(answer, InvalidRequest):
        raise answer
    return answer


@contract_task("discounts.import_many", message=ImportDiscounts, first_answer=AnswerTable.IMPORTED_DISCOUNTS)
def import_many(request: ImportDiscounts) -> Answer:
    """Import up to 1,000 discounts of another system, in the order sent."""
    return answer_each(request.requests, message=ImportDiscount, decide=import_all)
