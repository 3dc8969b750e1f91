"""Applying discounts to invoices: a batch of invoices, one transaction, the same number of statements for any size."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tasks.intake.gathered import gathered_task
from tasks.invoices.batch import InvoiceBatch
from tasks.invoices.messages import Apply, ApplyMany
from tasks.wire.answers import Answer
from tasks.wire.parsing import answer_each
from tasks.wire.task import contract_task
from worker.database import run_in_transaction


@gathered_task(
    "billing.apply",
    message=Apply,
    decide=lambda session, invoices: apply_all(session, invoices),  # noqa: PLW0108 - it is defined below
)
def apply(request: Apply) -> Answer:
    """This task will discount one invoice."""
    return run_in_transaction(lambda session: apply_all(session, [request]))[0]


@contract_task("billing.apply_many", message=ApplyMany)
def apply_many(request: ApplyMany) -> Answer:
    """This task will discount up to 1,000 invoices, in the order sent."""
    return answer_each(
        request.invoices,
        message=Apply,
        decide=lambda invoices: run_in_transaction(lambda session: apply_all(session, invoices)),
    )


def apply_all(session: Session, invoices: Sequence[Apply]) -> list[Answer]:
    """This function will discount the invoices in their order and answer each of them.

    It locks what the subscriptions were granted, looks at what was taken already, decides in memory, and writes
    once. An invoice that was answered before is answered as then. A unique violation means that another batch
    answered one of the invoices at the same moment: run the batch again in a new transaction.
    """
    batch = InvoiceBatch.locked(session, invoices)
    answers = [batch.decide(invoice) for invoice in invoices]
    batch.write(session)
    return answers
