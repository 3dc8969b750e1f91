"""`dead_letters.list`: a project sees that its messages were given up, and no message."""

import json
from typing import Any

import pytest

from tasks.wire.dead_letters import discard, give_up, list_newest
from tasks.wire.errors import InvalidRequest
from tests.support.bad_requests import SECRET
from tests.support.pages import items, listed, pages_backward, pages_forward
from worker.intake.delivery import Original

pytestmark = pytest.mark.usefixtures("database")

LIST = "dead_letters.list"


def die(task_id: str, *, project: str = "gigs", body: str = SECRET) -> None:
    """Give up a message of a project."""
    original = Original(
        queue="admin",
        headers={"id": task_id, "kwargsrepr": SECRET},
        body=body.encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    give_up(key=(project, task_id), task="vouchers.create", original=original, reason="KeyError, x.py:1", attempts=3)


def task_ids(**fields: Any) -> list[str]:
    """Return the task ids on a page of the list."""
    return [each["taskId"] for each in items(LIST, **fields)]


def test_a_dead_letter_is_shown_without_any_value_of_the_message():
    """As `scrip dead-letters list` shows it."""
    die("t1")
    (shown,) = items(LIST)
    (row,) = list_newest()
    assert shown == {
        "object": "deadLetter",
        "id": shown["id"],
        "project": "gigs",
        "taskId": "t1",
        "task": "vouchers.create",
        "reason": row.reason,
        "attempts": 3,
        "diedAt": row.died_at.isoformat().replace("+00:00", "Z"),
    }
    assert SECRET not in json.dumps(shown)


def test_a_project_sees_its_own_dead_letters_only():
    """Nobody sees those of messages that name no project, except the operator."""
    die("t1", project="other")
    die("t2", project="")
    die("t3")
    assert task_ids() == ["t3"]
    assert task_ids(project="other") == ["t1"]
    with pytest.raises(InvalidRequest):
        listed(LIST, project="")


def test_a_message_that_is_given_up_again_is_the_newest():
    """Two messages with one task id are two dead letters."""
    die("t1")
    die("t2")
    die("t1", body="another")
    die("t1")
    assert task_ids() == ["t1", "t1", "t2"]


def test_pages_follow_each_other_in_both_directions():
    """A position stays one, also if that dead letter was discarded meanwhile."""
    for number in range(7):
        die(f"t{number}")
    every = items(LIST)
    pages = pages_forward(LIST, limit=3)
    assert [each for page in pages for each in page] == every
    assert [each["taskId"] for each in every] == [f"t{number}" for number in range(6, -1, -1)]
    discard(task_id="t3")
    assert task_ids(after=every[3]["id"]) == ["t2", "t1", "t0"]
    back = pages_backward(LIST, limit=3, before=every[-1]["id"])
    assert [each["taskId"] for page in reversed(back) for each in page] == ["t6", "t5", "t4", "t2", "t1"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"project": 7, "taskId": "t1"}, {"project", "?"}),
        ({"after": "t1", "before": "t2", "limit": 201}, {"after", "before", "limit"}),
    ],
)
def test_every_bad_field_of_a_list_is_named(fields, bad):
    """A project is needed."""
    with pytest.raises(InvalidRequest) as error:
        listed(LIST, **fields)
    assert {each["field"] for each in error.value.errors} == bad
