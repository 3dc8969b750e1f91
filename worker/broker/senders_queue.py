"""A queue of RabbitMQ that senders declare too, with arguments of their own choice."""

from typing import Any

from amqp.exceptions import NotFound  # type: ignore[import-untyped]
from kombu import Queue


class SendersQueue(Queue):
    """A queue that is taken as it is, if it exists. The refusal of its arguments would end every worker."""

    def queue_declare(self, nowait: bool = False, passive: bool = False, channel: Any = None) -> Any:  # noqa: FBT001, FBT002 - kombu's own
        """Declare the queue, or do nothing if it exists."""
        channel = channel or self.channel
        is_there = passive or self._exists(channel)
        return super().queue_declare(nowait=nowait, passive=is_there, channel=channel)  # type: ignore[no-untyped-call]

    def _exists(self, channel: Any) -> bool:
        # RabbitMQ closes a channel that asks for a queue that is not there.
        with channel.connection.channel() as other:
            try:
                other.queue_declare(queue=self.name, passive=True)
            except NotFound:
                return False
        return True
