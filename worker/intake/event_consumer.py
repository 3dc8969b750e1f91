"""A consumer that sends Celery's events together, and keeps few of those that a broker does not take."""

from typing import Any

from celery.bootsteps import RUN
from celery.worker.consumer import Consumer as CeleryConsumer

# Events are sent every 0.1 s in a single message. Sending them on every iteration of the loop took over 25 % of an idle
# worker's CPU.
EVENTS_SECONDS = 0.1
# An event has 400 bytes.
EVENTS_AT_ONCE_MAX = 240
# Each is one event, or up to 240 that are sent together.
UNSENT_EVENTS_MAX = 1_000


class EventConsumer(CeleryConsumer):
    """Celery's consumer, except that events are sent together."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.are_events_due = False
        super().__init__(*arguments, **options)

    def on_send_event_buffered(self) -> None:
        """Schedule the sending of the buffered events, or send them at once if the worker is stopping."""
        if self.hub is None or self.blueprint.state != RUN:
            self._flush_events()
        elif not self.are_events_due:
            self.are_events_due = True
            self.event_dispatcher.buffer_limit = EVENTS_AT_ONCE_MAX
            # Only `call_soon` wakes the loop if a thread of the pool calls this.
            self.hub.call_soon(self.hub.call_later, EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        """Send the buffered events."""
        self.are_events_due = False
        self._flush_events()
        if self.event_dispatcher is not None:
            # Celery keeps all events that a broker does not take.
            unsent = self.event_dispatcher._outbound_buffer  # noqa: SLF001 - it has no limit of its own
            while len(unsent) > UNSENT_EVENTS_MAX:
                unsent.popleft()
