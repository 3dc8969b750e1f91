"""The declaration of the queues depends on the broker."""

import pytest

from tasks.celery import app
from worker.queues import QUEUES, UNNAMED_QUEUE, is_wrong, queue_of, queues

QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}


@pytest.mark.parametrize(
    ("broker_url", "arguments"),
    [
        ("amqp://rabbit:5672//", QUORUM),
        ("amqps://rabbit:5671//", QUORUM),
        ("redis://valkey:6379/0", None),
    ],
)
def test_on_rabbitmq_every_queue_survives_the_loss_of_a_node(broker_url: str, arguments: dict[str, str] | None):
    """RabbitMQ has quorum queues, Redis does not. Celery's default queue is declared as Celery's clients do."""
    *declared, unnamed = queues(broker_url=broker_url)
    assert tuple(queue.name for queue in declared) == QUEUES
    assert (unnamed.name, unnamed.as_dict()["queue_arguments"]) == (UNNAMED_QUEUE, None)
    assert [queue.as_dict()["queue_arguments"] for queue in declared] == [arguments] * len(QUEUES)


@pytest.mark.usefixtures("environment")
def test_a_queue_is_wrong_if_it_is_that_of_other_tasks():
    """Any task may come by Celery's default queue."""
    for task in app.tasks:
        assert {queue for queue in (*QUEUES, UNNAMED_QUEUE, "shop") if not is_wrong(queue, task=task)} == {
            queue_of(task),
            UNNAMED_QUEUE,
            "shop",
        }
