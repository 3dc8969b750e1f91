"""The events that workers send, received as Flower receives them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from celery import Celery
from kombu import Connection

from tests.end_to_end.broker import Json
from tests.support.waiting import eventually

Receive = Callable[[Callable[[list[Json]], bool]], list[Json]]
DRAIN_SECONDS = 0.1
ENDED = {"task-succeeded", "task-failed"}


@contextmanager
def receiving_events(app: Celery, connection: Connection) -> Iterator[Receive]:
    """Yield a function that receives events until a condition on them holds, and returns them."""
    received: list[Json] = []
    receiver = app.events.Receiver(connection, handlers={"*": received.append})

    def receive(are_enough: Callable[[list[Json]], bool]) -> list[Json]:
        def drain() -> bool:
            with suppress(TimeoutError):
                consumer.drain_events(timeout=DRAIN_SECONDS)
            return are_enough(received)

        eventually(drain)
        return received

    def send_and_receive() -> bool:
        dispatcher.send("calling")
        return bool(receive(lambda _: True))

    with receiver.consumer_context(wakeup=False) as (consumer, *_):
        # Events sent before the subscription are lost. The first event that arrives shows the subscription.
        url = connection.as_uri(include_password=True)
        with Connection(url) as sending, app.events.Dispatcher(sending) as dispatcher:
            eventually(send_and_receive)
        received.clear()
        yield receive


def events_of(receive: Receive, *task_ids: str) -> list[Json]:
    """Wait until those tasks have ended, and return their events without the late events of other tasks."""

    def have_ended(received: list[Json]) -> bool:
        return set(task_ids) <= {each["uuid"] for each in received if each["type"] in ENDED}

    return [each for each in receive(have_ended) if each.get("uuid") in task_ids]
