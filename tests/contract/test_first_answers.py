"""The declared place of each task's first answer: the contract's examples leave a row there, or none anywhere."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from models.base import Base
from tasks.wire.replay import AnswerTable
from tests.contract.page import Identities, steps
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def row_counts() -> Counter[str]:
    """Return how many rows each table has."""
    with transaction() as session:
        tables = Base.metadata.sorted_tables
        return Counter(
            {each.name: session.execute(select(func.count()).select_from(each)).scalar_one() for each in tables}
        )


@pytest.mark.slow
def test_each_first_answer_is_where_its_task_says():
    """A task with a table adds to it by at least one example. A task that reads never adds to any."""
    identities, added = Identities(), set()
    for step in steps():
        task: Any = task_named(step.task)
        request = identities.substitute(step.request)
        before = row_counts()
        identities.differences(step.answer, task(request=request))
        new = row_counts() - before
        if task.first_answer.is_table() and task.first_answer in new:
            added.add(step.task)
        if task.first_answer is AnswerTable.READS:
            assert new == Counter(), step.task
    kept = {step.task for step in steps() if task_named(step.task).first_answer.is_table()}
    # The examples of these have no request id of their own, or repeat an invoice or an import.
    repeating = {"billing.apply_many", "discounts.end", "discounts.import_many", "polar.discounts.update"}
    assert kept - added == repeating


@pytest.mark.slow
def test_a_repetition_by_request_id_adds_no_row():
    """Of every task that keeps its answer under the caller's own id."""
    identities = Identities()
    for step in steps():
        task: Any = task_named(step.task)
        request = identities.substitute(step.request)
        identities.differences(step.answer, task(request=request))
        has_id = any(name in request for name in ("requestId", "invoice", "ref", "coupon"))
        if task.first_answer.is_table() and has_id:
            before = row_counts()
            task(request=request)
            assert row_counts() == before, step.task
