"""The lengths of the queues as Flower shows them: with the messages that workers have taken and not acknowledged.

On Redis and Valkey, Flower itself counts only messages that no worker has fetched. A thousand messages behind a locked
voucher are fetched, so their queue would seem empty. On RabbitMQ, its management plugin counts all.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from amqp.exceptions import NotFound  # type: ignore[import-untyped]
from celery import current_app
from flower.utils import broker as flower_broker
from kombu.transport.native_delayed_delivery import MAX_LEVEL, level_name

QueueLength = dict[str, Any]

# The queues of Celery's delayed delivery on RabbitMQ.
DELAY_QUEUES = frozenset(map(level_name, range(MAX_LEVEL + 1)))
# kombu's key of the messages that were fetched and not acknowledged, those that wait until they are due included.
UNACKNOWLEDGED = "unacked"
# Unacknowledged messages in a round trip. Their texts stay on the server, which this blocks for less than 1 ms.
SCAN_COUNT = 250
# Return the next cursor, then of each unacknowledged message the tag and the queue. An entry is a list in JSON that
# ends with the queue, as kombu and our transport write it.
SCAN = """
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local told = {found[1]}
for position = 1, #found[2], 2 do
    told[#told + 1] = found[2][position]
    told[#told + 1] = string.match(string.sub(found[2][position + 1], -300), '"([^"]*)"%]%s*$') or ''
end
return told
"""


class RedisLengths:
    """The lengths on Redis and Valkey."""

    def __init__(self, broker: Any) -> None:
        """Read by the client of Flower's own object for the broker."""
        self.broker = broker

    async def queues(self, names: Iterable[str]) -> list[QueueLength]:
        """Return the length of each queue.

        A message that is fetched between the two counts is counted twice, and one that is put back then is left out.
        """
        ready = {each["name"]: each["messages"] for each in await self.broker.queues(names)}
        taken = Counter((await self._queues_of_taken()).values())
        return [_length(name, ready=count, taken=taken[name]) for name, count in ready.items()]

    async def _queues_of_taken(self) -> dict[bytes, str]:
        key, cursor, found = f"{self.broker.broker_prefix}{UNACKNOWLEDGED}", b"0", dict[bytes, str]()
        try:
            while True:
                cursor, *told = await self.broker.redis.eval(SCAN, 1, key, cursor, SCAN_COUNT)
                # A scan may return a message twice.
                found |= dict(zip(told[::2], map(bytes.decode, told[1::2]), strict=True))
                if cursor == b"0":
                    return found
        finally:
            await self.broker.redis.aclose()


class RabbitLengths:
    """The lengths on RabbitMQ: all counts if there is its management plugin, otherwise what AMQP tells."""

    def __init__(self, broker: Any) -> None:
        """Ask the management plugin by Flower's own object for the broker."""
        self.broker = broker

    async def queues(self, names: Iterable[str]) -> list[QueueLength]:
        """Return the length of each queue, and of the queues in which messages wait until they are due."""
        names = list(names)
        told = await self.broker.queues([*names, *DELAY_QUEUES])
        if not told:
            return await asyncio.to_thread(_lengths_by_amqp, names)
        return [each for each in told if each["name"] in names or each.get("messages")]


def broker_of(url: str, *arguments: Any, **options: Any) -> RedisLengths | RabbitLengths:
    """Return the reader of the lengths for a broker's URL. Flower calls this for each page."""
    broker = flower_broker.Broker(url, *arguments, **options)
    return RabbitLengths(broker) if isinstance(broker, flower_broker.RabbitMQ) else RedisLengths(broker)


def _length(name: str, *, ready: int, taken: int) -> QueueLength:
    return {
        "name": name,
        "messages": ready + taken,
        "messages_ready": ready,
        "messages_unacknowledged": taken,
    }


def _lengths_by_amqp(names: Sequence[str]) -> list[QueueLength]:
    # AMQP tells neither the messages that workers have taken nor those that are not due, so there is no sum.
    with current_app.connection_for_write() as connection:
        return [each for name in names if (each := _length_by_amqp(connection, name)) is not None]


def _length_by_amqp(connection: Any, name: str) -> QueueLength | None:
    # The error over a queue that does not exist closes the channel.
    channel = connection.channel()
    try:
        told = channel.queue_declare(name, passive=True)
    except NotFound:
        return None
    channel.close()
    return {"name": name, "messages_ready": told.message_count, "consumers": told.consumer_count}
