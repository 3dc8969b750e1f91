"""The declaration of the queues depends on the broker."""

import pytest

from worker.queues import QUEUES, queues


@pytest.mark.parametrize(
    ("broker_url", "arguments"),
    [
        ("amqp://rabbit:5672//", {"x-queue-type": "quorum"}),
        ("amqps://rabbit:5671//", {"x-queue-type": "quorum"}),
        ("redis://valkey:6379/0", None),
    ],
)
def test_on_rabbitmq_every_queue_survives_the_loss_of_a_node(broker_url: str, arguments: dict[str, str] | None):
    """RabbitMQ has quorum queues, Redis does not."""
    declared = queues(broker_url=broker_url)
    assert tuple(queue.name for queue in declared) == QUEUES
    assert [queue.as_dict()["queue_arguments"] for queue in declared] == [arguments] * len(QUEUES)
