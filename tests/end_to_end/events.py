"""The events that workers send, as Flower receives them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from celery import Celery
from kombu import Connection

from tests.end_to_end.running import Json, eventually

Hear = Callable[[Callable[[list[Json]], bool]], list[Json]]
LISTENING_SECONDS = 0.1
ENDED = {"task-succeeded", "task-failed"}


@contextmanager
def listening(app: Celery, connection: Connection) -> Iterator[Hear]:
    """This context will yield a function that hears events until they are enough, and returns them."""
    heard: list[Json] = []
    receiver = app.events.Receiver(connection, handlers={"*": heard.append})

    def hear(are_enough: Callable[[list[Json]], bool]) -> list[Json]:
        def listen() -> bool:
            with suppress(TimeoutError):
                listener.drain_events(timeout=LISTENING_SECONDS)
            return are_enough(heard)

        eventually(listen)
        return heard

    def call_and_listen() -> bool:
        dispatcher.send("calling")
        return bool(hear(lambda _: True))

    with receiver.consumer_context(wakeup=False) as (listener, *_):
        # Who is not listening yet has missed it.
        url = connection.as_uri(include_password=True)
        with Connection(url) as calling, app.events.Dispatcher(calling) as dispatcher:
            eventually(call_and_listen)
        heard.clear()
        yield hear


def events_of(hear: Hear, *task_ids: str) -> list[Json]:
    """This function will wait until those tasks have ended, and return their events: others' may come late."""

    def are_over(heard: list[Json]) -> bool:
        return set(task_ids) <= {each["uuid"] for each in heard if each["type"] in ENDED}

    return [each for each in hear(are_over) if each.get("uuid") in task_ids]
