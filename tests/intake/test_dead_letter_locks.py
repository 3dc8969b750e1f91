"""Dead letters are locked while they are sent again, so that each is sent once."""

import pytest
from sqlalchemy import text

from models.intake.dead_letter import lock_dead_letter
from models.intake.dead_letter_selection import ALL, lock_dead_letters
from tasks.wire.dead_letters import list_newest
from tests.intake.test_list_dead_letters import die
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")

FREE = text("SELECT task_id FROM dead_letters FOR UPDATE SKIP LOCKED")


def test_the_dead_letter_of_a_task_is_locked():
    """Another one stays free."""
    for each in ("t1", "t2"):
        die(each)
    with transaction() as holder, transaction() as other:
        assert lock_dead_letter(holder, task_id="t1") is not None
        assert other.execute(FREE).scalars().all() == ["t2"]


def test_selected_dead_letters_are_locked_and_those_that_others_have_locked_are_left_out():
    """Two operators send all of them again at once."""
    for each in ("t1", "t2"):
        die(each)
    newest = max(each.id for each in list_newest())
    with transaction() as first, transaction() as second:
        assert [each.task_id for each in lock_dead_letters(first, wanted=ALL, newest=newest, limit=1)] == ["t1"]
        assert [each.task_id for each in lock_dead_letters(second, wanted=ALL, newest=newest, limit=5)] == ["t2"]


def test_a_message_that_is_given_up_again_is_kept_once():
    """With the last reason and instant."""
    die("t1")
    (first,) = list_newest()
    die("t1")
    (again,) = list_newest()
    assert again.died_at > first.died_at
