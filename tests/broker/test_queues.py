"""The declaration of the queues depends on the broker."""

import pytest

from worker.queues import QUEUES, queues

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
    """RabbitMQ has quorum queues, Redis does not."""
    declared = queues(broker_url=broker_url)
    assert tuple(queue.name for queue in declared) == QUEUES
    assert [queue.as_dict()["queue_arguments"] for queue in declared] == [arguments] * len(QUEUES)
