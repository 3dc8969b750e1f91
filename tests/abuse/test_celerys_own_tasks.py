"""A worker runs the tasks of the contract and nothing else: Celery's own would run whatever their sender names."""

from typing import Any

import pytest
from celery import Celery
from celery.canvas import xmap

from tests.abuse.attacked import ANSWERS, DROPPED, REDEEM, Attacked
from tests.support.requests import redemption

PLAIN = Celery("plain", set_as_current=False)
CELERYS_OWN = sorted(name for name in PLAIN.tasks if name.startswith("celery."))
SIGNATURE: dict[str, Any] = {"task": REDEEM, "args": [], "kwargs": {}, "options": {}, "subtask_type": None}


def test_every_task_of_celery_is_attacked() -> None:
    """A later Celery may have more of them, which are refused too."""
    assert CELERYS_OWN == [
        "celery.accumulate",
        "celery.backend_cleanup",
        "celery.chain",
        "celery.chord",
        "celery.chord_unlock",
        "celery.chunks",
        "celery.group",
        "celery.map",
        "celery.starmap",
    ]


@pytest.mark.parametrize("queue", ["redemptions", "sweeps", "celery"])
@pytest.mark.parametrize("task", CELERYS_OWN)
def test_celerys_own_task_is_unknown(attacked: Attacked, task: str, queue: str) -> None:
    """It is refused at once, in any queue, whatever its arguments are, and its sender is told."""
    request = {"request": redemption(code="SUMMER")}
    sent = attacked.client.send_arguments(
        task,
        queue=queue,
        kwargs={"task": SIGNATURE, "it": [[request]] * 3, "args": [], "kwargs": {}},
        countdown=3_600,
    )
    assert attacked.error(sent) == {
        "exc_type": "NotRegistered",
        "exc_module": "celery.exceptions",
        "exc_message": [task],
    }
    attacked.assert_counted(DROPPED, "unknown_task")
    assert attacked.count(ANSWERS, "failed", "", task) == 0
    attacked.assert_unharmed()


def test_a_map_of_redemptions_redeems_nothing(attacked: Attacked) -> None:
    """As Celery's own client sends it."""
    redeem = attacked.client.app.signature(REDEEM)
    sent = xmap(redeem, [[redemption(code="SUMMER")]], app=attacked.client.app).apply_async(queue="redemptions")
    assert attacked.error(sent.id)["exc_type"] == "NotRegistered"
    attacked.assert_unharmed()
