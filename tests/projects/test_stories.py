"""Stories of two projects that use the same ids in everything: neither sees, changes, locks or counts the other's.

Each gets the answers of a project alone, whatever the other one does at the same time.
"""

from functools import cache

import pytest

from tasks.celery import app
from tasks.intake.decide_batch import ALONE_MAX
from tests.end_to_end.database import poisoned
from tests.intake.deliveries import POISON, REDEEM, begin_alone, delivery, fates, query, run
from tests.projects.calls import OF_EVERY_PROJECT, Story, answer_as_twin
from tests.projects.copied_rows import answer_beside_copies, forget_copies
from tests.projects.playing import (
    Together,
    Told,
    differences,
    in_one_batch,
    play,
    play_both,
    twin_first,
    while_first_holds_its_locks,
)
from tests.projects.stories.billing import billing, redemption
from tests.projects.stories.catalogue import catalogue
from tests.projects.stories.page import page
from tests.projects.twins import TWIN, named_in
from tests.support.database_between_tests import empty_database, violations
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from worker.intake.delivery import Fate

STORIES: dict[str, Story] = {"page": page, "billing": billing, "catalogue": catalogue}
# The page takes seconds each time.
TOLD = [
    pytest.param(story, id=name, marks=pytest.mark.slow if name == "page" else ()) for name, story in STORIES.items()
]
TOGETHER: dict[str, Together] = {"in one batch": in_one_batch, "at once": while_first_holds_its_locks}

pytestmark = [pytest.mark.usefixtures("database", "impatience", "without_rests")]


@cache
def alone(story: Story) -> list[Told]:
    """Return what is told of a story in an empty database."""
    empty_database()
    told = play(story)
    empty_database()
    return told


def test_every_task_is_in_the_stories():
    """The page has a request to each, in which a project is named unless the task is of every project."""
    told = [each for story in STORIES.values() for each in alone(story)]
    assert {each.call.task for each in told} == {name for name in app.tasks if not name.startswith("celery.")}
    assert {each.call.task for each in told if not named_in(each.call.requests)} == OF_EVERY_PROJECT


@pytest.mark.slow
@pytest.mark.parametrize("story", TOLD)
def test_a_project_is_answered_beside_copies_of_its_rows_as_if_it_was_alone(story: Story):
    """The copies have the same ids and other contents, and are locked."""
    try:
        found = play(story, answer_beside_copies)
    finally:
        forget_copies()
    assert differences(alone(story), found, is_twin=False) == []


@pytest.mark.slow
@pytest.mark.parametrize("story", TOLD)
def test_a_project_is_answered_after_its_twin_as_if_it_was_alone(story: Story):
    """Every request of the twin has been answered before."""
    first = play(story)
    assert differences(first, play(story, answer_as_twin), is_twin=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_twin_first", [False, True])
@pytest.mark.parametrize("together", TOGETHER.values(), ids=TOGETHER)
@pytest.mark.parametrize("story", TOLD)
def test_two_projects_are_answered_at_once_as_if_each_was_alone(story: Story, together: Together, is_twin_first: bool):
    """In one batch, by turns, or while the other one has decided and holds its locks."""
    own, twin = play_both(story, twin_first(together) if is_twin_first else together)
    assert violations() == []
    assert differences(alone(story), own, is_twin=False) == []
    assert differences(alone(story), twin, is_twin=True) == []


@pytest.mark.parametrize("is_twin_first", [False, True])
def test_messages_with_one_id_are_given_up_apart(database: dict[str, str], is_twin_first: bool):
    """The attempts at the project's message count for no message of the twin, which does not see the dead letter."""
    own = {**redemption(1, voucher=create_voucher()["id"]), "customer": POISON}
    twin = {**own, "project": TWIN}
    messages = [delivery(each, number=1, redelivered=True) for each in (own, twin)]
    begin_alone(messages[:1], times=ALONE_MAX - 1)
    by_project = {"gigs": Fate.FAILED, twin["project"]: Fate.TRY_AGAIN}
    batch = messages[::-1] if is_twin_first else messages
    with poisoned(database["DATABASE_URL"], customer=POISON):
        ends = fates(run(REDEEM, batch, ""))
    assert {each.kwargs["request"]["project"]: end for each, end in zip(batch, ends, strict=True)} == by_project
    letters = {each: task_named("dead_letters.list")(request={"project": each})["items"] for each in by_project}
    assert [len(each) for each in letters.values()] == [1, 0]
    assert query("SELECT project, alone FROM attempts") == [(twin["project"], 1)]
