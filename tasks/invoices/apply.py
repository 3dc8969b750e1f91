"""Apply discounts to invoices: one transaction for a batch, with the same number of statements for any size."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tasks.intake.task import contract_task, gathered_task
from tasks.invoices.batch import InvoiceBatch
from tasks.invoices.messages import Apply, ApplyMany
from tasks.wire.answers import Answer
from tasks.wire.bulk import answer_each
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


def apply_all(session: Session, invoices: Sequence[Apply]) -> list[Answer]:
    """Discount invoices in their order, and return one answer for each.

    A known invoice gets its first answer, which names its latest reversal since.
    First lock the discounts of the invoices' subscriptions, with credit lines also the subscriptions of the credited
    invoices before that, and read the amounts taken. Then decide in memory, then write. If another transaction writes
    one of the invoices at the same moment, the unique violation rolls this batch back: run it again in a new
    transaction.
    """
    batch = InvoiceBatch.locked(session, invoices)
    answers = [batch.decide(invoice) for invoice in invoices]
    batch.write(session)
    return answers


@gathered_task("billing.apply", message=Apply, first_answer=AnswerTable.INVOICE_DISCOUNTS, decide=apply_all)
def apply(request: Apply) -> Answer:
    """Discount an invoice. A worker gathers these messages into batches for `apply_all`; this runs a single message."""
    return run_in_transaction(lambda session: apply_all(session, [request]))[0]


@contract_task("billing.apply_many", message=ApplyMany, first_answer=AnswerTable.INVOICE_DISCOUNTS)
def apply_many(request: ApplyMany) -> Answer:
    """Discount up to 1,000 invoices, in the order sent."""
    return answer_each(request.invoices, message=Apply, decide=apply_all)
