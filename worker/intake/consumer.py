"""The consumer of a worker: its connection to the broker, and the way of each message to the batch of its task."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.concurrency.prefork import TaskPool
from celery.utils.log import get_logger
from celery.worker.consumer.control import Control
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle
from celery.worker.state import active_requests, reserved_requests
from kombu import Message

from worker.connections import is_amqp
from worker.intake.arrival import let_no_misplaced_message_wait, note_queue
from worker.intake.dropping_consumer import DroppingConsumer
from worker.intake.envelope import headers_of, problem_of, show_only_ids
from worker.intake.event_consumer import EventConsumer
from worker.intake.gathering import Gatherer
from worker.intake.invalid_options import refuse_invalid_options
from worker.intake.outage import Outage
from worker.intake.proof import (
    failure_on_arrival,
    is_required,
    look_at_signers,
    note_claim,
    require_own_key,
)
from worker.intake.reconnecting import keep_connecting
from worker.intake.remote_control import RemoteControl
from worker.intake.republishing import Republisher, note_return
from worker.intake.stopping import kill_children_later
from worker.intake.unended import (
    PAUSE_SECONDS,
    is_postponed_until_due,
    let_no_begun_message_expire,
    seconds_until_due,
)
from worker.queues import is_celerys
from worker.settings import settings

logger = get_logger(__name__)

# Celery sometimes misses the death of a child, and looks after the children every 5 s only.
CHILDREN_SECONDS = 0.25
# A child that is forked after a change of the file of signers must not know the keys of long ago.
SIGNERS_SECONDS = 1
# In the time of a lease.
RENEWALS = 4


class Consumer(DroppingConsumer, EventConsumer):
    """Celery's consumer, except that messages are checked, batches are gathered, and events are sent together."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # The gatherers of the current connection.
        self.gatherers = list[Gatherer]()
        self._outage: Outage | None = None
        super().__init__(*arguments, **options)
        # Workers obey no command of Mingle. Gossip would run any task for whoever asks for an election.
        self.steps: list[Any] = [step for step in self.steps if not isinstance(step, Mingle | Gossip)]
        # Celery has none with the option --without-remote-control, or if the broker has no broadcasts.
        self.remote_control = next((RemoteControl(step) for step in self.steps if isinstance(step, Control)), None)
        # None if RabbitMQ is not the broker, or if there is no event loop.
        self.is_on_rabbitmq = is_amqp(settings())
        publishes_copies = self.hub is not None and self.is_on_rabbitmq
        self.republisher = Republisher(self.app, hub=self.hub) if publishes_copies else None
        if not isinstance(self.pool, TaskPool):
            require_own_key()

    def register_with_event_loop(self, hub: Any) -> None:
        """Renew the leases and look after the children from now on, for as long as the connection lasts."""
        super().register_with_event_loop(hub)
        if hasattr(self.pool, "maintain_pool"):
            hub.call_repeatedly(CHILDREN_SECONDS, self.pool.maintain_pool)
        hub.call_repeatedly(settings().visibility_timeout_seconds / RENEWALS, self.renew_leases)
        if is_required():
            hub.call_repeatedly(SIGNERS_SECONDS, look_at_signers)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect to the broker, however long that takes."""
        keep_connecting(conn)
        return super().ensure_connected(conn)

    def renew_leases(self) -> None:
        """Renew the leases of all messages that this worker works on, however long that takes."""
        channel: Any = getattr(self.task_consumer, "channel", None)
        if hasattr(channel, "renew_leases"):
            held = {*reserved_requests, *active_requests}
            channel.renew_leases(frozenset(request.message.delivery_tag for request in held))

    @property
    def outage(self) -> Outage:
        """The outage of the database, as the tasks of the current connection have found."""
        if self._outage is None:
            slots = self.controller.semaphore
            self._outage = Outage(hub=self.hub, pool=self.pool, slots=slots, resume=self.resume)
        return self._outage

    def resume(self) -> None:
        """Send the batches of every task, as far as the outage allows."""
        for gatherer in self.gatherers:
            gatherer.request_slot()
        # The next probe is another task's.
        self.gatherers.append(self.gatherers.pop(0))

    def stop(self) -> None:
        """Put back the messages that no child has begun, send the last events, and stop."""
        self.close_gatherers()
        self.send_events()
        kill_children_later(self.pool)
        super().stop()

    def close_gatherers(self) -> None:
        """Put back the messages that no child has begun. A child ends the batch that it has begun."""
        for gatherer in self.gatherers:
            gatherer.close()
        self.gatherers.clear()
        channel: Any = getattr(self.task_consumer, "channel", None)
        if hasattr(channel, "flush_acknowledgements"):
            with suppress(*self.connection_errors):
                channel.flush_acknowledgements()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Put back the messages of a lost connection that no child has begun, at the latest by the next connection."""
        self.close_gatherers()
        channel: Any = getattr(self.task_consumer, "channel", None)
        if hasattr(channel, "leave_to_next_channel"):
            channel.leave_to_next_channel(frozenset(request.message.delivery_tag for request in active_requests))
        super().on_connection_error_after_connected(exc)

    def on_close(self) -> None:
        """Forget the messages of the connection, except those that children run."""
        # Events that cannot be sent are kept for the next connection. Events that are only buffered would be lost.
        self.send_events()
        self.close_gatherers()
        self._outage = None
        super().on_close()

    def update_strategies(self) -> None:
        """Learn the tasks of the contract. Celery's own tasks are unknown: they would run whatever a sender names."""
        super().update_strategies()
        for name in [name for name in self.strategies if is_celerys(name)]:
            del self.strategies[name]

    def create_task_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """Return the function that Celery calls with each message."""
        receive: Callable[[Message], None] = super().create_task_handler(*arguments)

        def receive_task(message: Message) -> None:
            problem = problem_of(message)
            if problem:
                self.drop(message, problem)
                return
            if self.is_on_rabbitmq:
                note_return(message)
                note_queue(message, queues_by_tag=self.queues_by_tag())
            if is_required():
                note_claim(message)
                failure = failure_on_arrival(message, is_verified_by_child=self.is_verified_by_child(message))
                if failure:
                    self.refuse(message, failure)
                    return
            show_only_ids(message)
            if headers_of(message)["task"] not in self.strategies:
                # It fails at once, while its sender looks.
                headers_of(message)["eta"] = None
            let_no_misplaced_message_wait(message)
            refuse_invalid_options(message, seconds_left=seconds_until_due(message))
            let_no_begun_message_expire(message)
            if not is_postponed_until_due(message, delay=delay):
                receive(message)

        def delay(message: Message, seconds: float) -> bool:
            return self.is_delayed(message, seconds, otherwise=receive_task)

        return receive_task

    def queues_by_tag(self) -> dict[str, str]:
        """Return the queue of each consumer on RabbitMQ, by the tag that its messages have."""
        return {tag: queue for queue, tag in self.task_consumer._active_tags.items()}  # noqa: SLF001 - kombu shows none

    def is_delayed(self, message: Message, seconds: float, *, otherwise: Callable[[Message], None]) -> bool:
        """Return whether a message waits on RabbitMQ from now on. If that fails, `otherwise` has it after a pause."""
        if self.republisher is None:
            return False

        def end(is_stored: bool) -> None:  # noqa: FBT001 - a callback
            if is_stored:
                # Acknowledgement point: RabbitMQ has a copy.
                message.ack_log_error(logger, self.connection_errors)
            elif message.channel is getattr(self.task_consumer, "channel", None):
                self.hub.call_later(PAUSE_SECONDS, otherwise, message)

        self.republisher.delay(message, seconds=seconds, on_ended=end)
        return True

    def is_verified_by_child(self, message: Message) -> bool:
        """Return whether a child will verify the signature of a message, or nobody, because there is no such task."""
        task = self.app.tasks.get(headers_of(message)["task"])
        return task is None or (isinstance(self.pool, TaskPool) and hasattr(task, "decide_batch"))
