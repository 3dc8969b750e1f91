"""Every project that a request names is found, whatever the task calls it, so that no key reaches beyond its own."""

from collections.abc import Iterable
from typing import Any

import pytest

from tasks.celery import app
from tests.contract.page import steps
from tests.support.environment import changed_environment
from worker.intake.named_projects import BULK_FIELDS, PROJECT_FIELDS, owner_of, projects_in

# The sweeps and audits of all projects.
OF_ALL = {"expiry.sweep", "expiry.prune", "audit.run"}


@pytest.mark.usefixtures("environment")
def test_every_task_names_its_project_where_it_is_looked_for() -> None:
    """A task with a project under another name would be open to each key that may send it."""
    own = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    without = {name for name, task in own.items() if not {*PROJECT_FIELDS, *BULK_FIELDS} & fields_of(task)}
    assert without == OF_ALL


def request_of(projects: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a bulk request that names these projects."""
    return {"request": {"requests": [{"project": each} for each in projects]}}


def fields_of(task: Any) -> set[str]:
    """Return the names of the fields of a task's request, as they are sent."""
    fields = task.decision.message.model_fields
    return {spelling for name, field in fields.items() for spelling in (name, field.alias or name)}


def test_each_example_of_the_contract_names_a_project() -> None:
    """Those of items included."""
    without = {step.task for step in steps() if not projects_in({"request": step.request}, task=step.task)}
    assert without == OF_ALL


@pytest.mark.parametrize(
    ("request_", "projects"),
    [
        ({"project": "a"}, {"a"}),
        ({"organization_id": "a", "project": "b", "aid": "c"}, {"a", "b", "c"}),
        ({"requests": [{"project": "a"}, {"project": "b"}, 7, {}], "project": "c"}, {"a", "b", "c"}),
        ({"invoices": [{"project": "a"}], "requests": {"project": "b"}}, {"a"}),
        ({"project": 7}, set()),
        (["project"], set()),
        (None, set()),
    ],
)
def test_projects_are_found_in_any_request(request_: object, projects: set[str]) -> None:
    """Whatever the sender has written there."""
    assert projects_in({"request": request_}, task="redemptions.redeem") == projects


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("task", "request_", "projects"),
    [
        ("polar.discounts.list", {}, {"ours"}),
        ("polar.discounts.list", {"organization_id": None}, {"ours"}),
        ("polar.discounts.list", {"project": "a", "aid": "b"}, {"a", "b", "ours"}),
        ("polar.discounts.list", {"requests": [{"project": "a"}]}, {"a", "ours"}),
        ("polar.discounts.list", {"organization_id": "a"}, {"a"}),
        # No string: the request is invalid, whoever sends it.
        ("polar.discounts.list", {"organization_id": 7}, set()),
        ("expiry.sweep", {}, set()),
        ("redemptions.redeem_many", {"requests": [{"project": "a"}]}, {"a"}),
    ],
)
def test_a_request_of_polar_without_an_organization_concerns_the_usual_one(
    task: str, request_: object, projects: set[str]
) -> None:
    """Whatever fields of other systems stand beside it, which Polar ignores. No other task does."""
    with changed_environment(SCRIP_POLAR_ORGANIZATION="ours"):
        assert projects_in({"request": request_}, task=task) == projects
        assert owner_of({"request": request_}, task=task) == owner_of(request_of(projects), task="")


def test_the_mark_of_projects_is_theirs_alone() -> None:
    """In any order, and none for a request that names no project."""
    marks = [
        owner_of(request_of(names), task="redemptions.redeem_many")
        for names in (["a", "b"], ["b", "a", "b"], ["ab"], ["a"], ["a,1:b"], [])
    ]
    assert marks[0] == marks[1]
    assert len(set(marks)) == len(marks) - 1
    assert marks[-1] is owner_of(None, task="redemptions.redeem") is None
