"""The queues for monitoring: how many messages each has, and how old the oldest is."""

import asyncio
import os
from collections import Counter
from typing import Any, NamedTuple

from kombu import Connection

from worker.app import app
from worker.broker.fetch_script import SET_ASIDE_KEY
from worker.monitoring.queue_ages import QueueAges
from worker.monitoring.queue_lengths import SCAN, SCAN_COUNT, broker_of
from worker.queues import QUEUES, UNNAMED_QUEUE
from worker.settings import settings

NAMES = (*QUEUES, UNNAMED_QUEUE)
# Stands for the queues in which RabbitMQ keeps the messages of every queue that are not due.
DELAYED = "delayed"


class QueueFigures(NamedTuple):
    """The messages of a queue. None if the broker does not tell."""

    # No worker has fetched them.
    ready: int
    # A worker has fetched them and not acknowledged them.
    taken: int | None
    # They wait until they are due or tried again.
    waiting: int | None
    oldest_age_seconds: float | None


class BrokerFigures(NamedTuple):
    """The figures of each queue, and the number of texts that are no messages, or None on RabbitMQ."""

    queues: dict[str, QueueFigures]
    unreadable: int | None


class BrokerReader:
    """Reads the figures again and again. The ages of messages are those since the reader first saw them."""

    def __init__(self, ages: QueueAges | None = None) -> None:
        """Begin with the first look."""
        self._ages = ages or QueueAges()
        # `queue_lengths` asks AMQP in a thread of its own, and a thread knows no other app than the default.
        app.set_default()

    def read(self) -> BrokerFigures:
        """Look at the broker. Raises the connection's error if it cannot be reached."""
        with app.connection_for_write() as connection:
            connection.connect()
            if connection.transport.driver_type == "redis":
                return self._read_redis(connection.default_channel)
            return _read_rabbitmq(connection)

    def _read_redis(self, channel: Any) -> BrokerFigures:
        client = channel.client
        keys = {name: [channel._q_for_pri(name, step) for step in channel.priority_steps] for name in NAMES}  # noqa: SLF001 - kombu's names of its lists
        with client.pipeline(transaction=False) as pipeline:
            for of_queue in keys.values():
                for key in of_queue:
                    pipeline.llen(key)
            pipeline.llen(SET_ASIDE_KEY).time()
            *lengths, unreadable, (seconds, microseconds) = pipeline.execute()
        counted = iter(lengths)
        lists = {name: {key: next(counted) for key in of_queue} for name, of_queue in keys.items()}
        unacknowledged = _unacknowledged(channel)
        not_due = _not_due(channel, now=seconds + microseconds / 1_000_000)
        taken = {tag: queue for tag, queue in unacknowledged.items() if tag not in not_due}
        waiting = Counter(queue for tag, queue in unacknowledged.items() if tag in not_due)
        ages, held = self._ages.look(client, lists=lists, taken=taken), Counter(taken.values())
        queues = {
            name: QueueFigures(sum(lists[name].values()), held[name], waiting[name], ages.get(name)) for name in NAMES
        }
        return BrokerFigures(queues, unreadable)


def _unacknowledged(channel: Any) -> dict[str, str]:
    """Return the queue of each unacknowledged message by its tag."""
    cursor, found = b"0", dict[str, str]()
    while True:
        cursor, *told = channel.client.eval(SCAN, 1, channel.unacked_key, cursor, SCAN_COUNT)
        texts = [each.decode() for each in told]
        found |= dict(zip(texts[::2], texts[1::2], strict=True))
        if cursor == b"0":
            return found


def _not_due(channel: Any, *, now: float) -> frozenset[str]:
    """Return the tags of the messages that wait on the server: their leases begin in the future."""
    found = channel.client.zrangebyscore(channel.unacked_index_key, f"({now}", "+inf")
    return frozenset(each.decode() for each in found)


def _read_rabbitmq(connection: Connection) -> BrokerFigures:
    # The management plugin tells more than AMQP, if Flower's own setting leads to it.
    reader = broker_of(
        settings().broker_url,
        http_api=os.environ.get("FLOWER_BROKER_API", ""),
        broker_options={},
        broker_use_ssl=connection.ssl,
    )
    told = {each["name"]: each for each in asyncio.run(reader.queues(NAMES))}
    queues = {
        name: QueueFigures(each["messages_ready"], each.get("messages_unacknowledged"), None, None)
        for name, each in told.items()
        # The plugin tells no numbers of a queue that was declared a moment ago.
        if name in NAMES and "messages_ready" in each
    }
    delayed = [each.get("messages", 0) for name, each in told.items() if name not in NAMES]
    if any("messages" in each for each in told.values()):
        queues[DELAYED] = QueueFigures(0, 0, sum(delayed), None)
    return BrokerFigures(queues, None)
