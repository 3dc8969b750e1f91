"""docs/contract.md has every task, and each example is answered as the page says."""

import copy
from typing import Any

import pytest
from celery import Task

from tasks.celery import app
from tests.contract.page import Identities, steps

pytestmark = pytest.mark.usefixtures("database")


def contract_tasks() -> dict[str, Task]:
    """Return the tasks that callers can send, by name."""
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def test_every_task_has_a_request_and_an_answer():
    """The page describes no other task."""
    assert {step.task for step in steps()} == set(contract_tasks())


def test_each_example_is_answered_as_the_page_says():
    """The examples run in the order of the page, and each relies on the rows of the earlier ones."""
    identities, tasks = Identities(), contract_tasks()
    for step in steps():
        answer = tasks[step.task](request=identities.substitute(step.request))
        assert identities.differences(step.answer, answer) == [], step.task


def test_another_answer_is_noticed():
    """A different value, a missing field, a further item and a different id are all differences."""
    answer: dict[str, Any] = {"id": "vou_01m802aq92e78rshs8mnssdx40", "amount": 1, "lines": [{"id": "base"}]}
    tampered = [
        {**answer, "amount": 2},
        {**answer, "amount": True},
        {name: answer[name] for name in ("id", "amount")},
        {**answer, "lines": [*answer["lines"], {"id": "seats"}]},
        {**answer, "id": "vou_01m802aq92e78rshs8mnssdx41"},
    ]
    identities = Identities()
    assert identities.differences(answer, copy.deepcopy(answer)) == []
    assert all(identities.differences(answer, each) for each in tampered)
