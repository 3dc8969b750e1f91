"""A first delivery has no attempts, whatever was recorded under its id, and no project's attempts are another's."""

import pytest

from tasks.intake.decide_batch import ALONE_MAX
from tasks.wire.dead_letters import list_newest
from tests.intake.deliveries import LOST, REDEEM, batch, begin_alone, fates, query, run
from tests.support.statements import counted
from worker.intake.delivery import Fate

pytestmark = pytest.mark.usefixtures("database")


def test_a_first_delivery_is_not_given_up():
    """Its child has died, and there were too many attempts at an earlier message with its id."""
    (message,) = batch(1)
    begin_alone([message], times=ALONE_MAX)
    assert fates(run(REDEEM, [message], LOST)) == [Fate.SUCCEEDED]
    assert list_newest() == []


def test_a_first_delivery_is_not_looked_up():
    """No statement more is sent."""
    delivered = batch(3)
    begin_alone(delivered, times=ALONE_MAX)
    with counted() as statements:
        assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3
    assert not [each for each in statements if "attempts" in each]


def test_a_message_in_a_wrong_queue_has_no_attempts():
    """It fails for its queue, and is not given up for the attempts at another message."""
    (message,) = batch(1, is_suspect=True)
    begin_alone([message], times=ALONE_MAX)
    (outcome,) = run(REDEEM, [message._replace(wrong_queue="billing")], LOST)
    assert outcome.fate is Fate.FAILED
    assert list_newest() == []


def test_attempts_of_another_project_stay():
    """Its message has the same id. It has not ended yet."""
    (message,) = batch(1, redelivered=True)
    begin_alone([message], times=1)
    begin_alone([message], times=ALONE_MAX, project="other")
    assert fates(run(REDEEM, [message], LOST)) == [Fate.SUCCEEDED]
    assert query("SELECT project, alone FROM attempts") == [("other", ALONE_MAX)]
