"""What a worker takes from its queues: tasks. Anything else is dropped, and nothing of what was in it is logged."""

from collections.abc import Callable, Mapping
from typing import Any

from celery.bootsteps import RUN
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Message
from kombu.exceptions import ContentDisallowed, DecodeError

from worker.batching import Gatherer

logger = get_logger(__name__)

HIDDEN = "(hidden)"
UNDECODABLE = "its body cannot be decoded"
# Ours have six levels. Pickling, on the way to a child, fails at about five hundred, and the worker with it.
LEVELS_MAX = 100
# Events of that time travel as one message: one for each turn of the loop was more than a quarter of the worker's time
# where it is not busy. Whoever watches looks less often.
EVENTS_SECONDS = 0.1
# Of 400 bytes each.
EVENTS_AT_ONCE_MAX = 240


def problem_of(message: Message) -> str | None:
    """This function will say why a message is no task of either version of Celery's protocol, or None where it is one.

    What Celery does not expect in a message ends its worker. The message is then delivered to the next one.
    """
    try:
        body = message.payload
    except (DecodeError, ContentDisallowed):
        return "its body is not JSON"
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return UNDECODABLE
    if _is_deeper_than(LEVELS_MAX, [body, message.headers]):
        return "it is nested too deeply"
    # The first version of the protocol has all of it in the body.
    headers = message.headers if "task" in message.headers else body
    problem = _problem_of_headers(headers)
    if problem is None and not _are_arguments(body):
        problem = "its body is not arguments, keyword arguments and options"
    return problem


def _problem_of_headers(headers: object) -> str | None:
    if not isinstance(headers, Mapping) or not all(
        isinstance(headers.get(name), str) and headers[name] for name in ("id", "task")
    ):
        return "it has no id or names no task"
    if not _are_limits(headers.get("timelimit")) or not isinstance(headers.get("retries") or 0, int):
        return "its time limits or its retries are no numbers"
    if not _are_times(headers.get("eta"), headers.get("expires")):
        return "its eta or its expiry is no timestamp"
    if not _are_stamps(headers.get("stamped_headers"), headers.get("stamps")):
        return "its stamps are not names with their values"
    return None


def _is_deeper_than(levels: int, values: list[Any]) -> bool:
    for _ in range(levels):
        inner = [
            list(each.values()) if isinstance(each, dict) else each for each in values if type(each) in {dict, list}
        ]
        if not inner:
            return False
        values = [value for each in inner for value in each]
    return True


def _are_arguments(body: object) -> bool:
    match body:
        case [list(), dict(), dict() | None] | {"args": list(), "kwargs": dict()}:
            return True
        case _:
            return False


def _are_limits(limits: object) -> bool:
    match limits:
        case None | [None | int() | float(), None | int() | float()]:
            return True
        case _:
            return False


def _are_times(*times: object) -> bool:
    # Celery reads the text, and fails it where it cannot. An empty one it takes for none, and then looks into it.
    return all(each is None or (isinstance(each, str) and each) for each in times)


def _are_stamps(names: object, stamps: object) -> bool:
    match names, stamps:
        case None | list(), None | dict():
            return all(isinstance(each, str) for each in names or ())
        case _:
            return False


class Consumer(CeleryConsumer):
    """This class will hand tasks to the worker, and drop what is none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Of the connection that there is.
        self.gatherers = list[Gatherer]()
        self.are_events_due = False
        super().__init__(*arguments, **options)

    def on_send_event_buffered(self) -> None:
        """This function will have events travel together a moment later, or at once where there is no later."""
        if self.hub is None or self.blueprint.state != RUN:
            self._flush_events()
        elif not self.are_events_due:
            self.are_events_due = True
            self.event_dispatcher.buffer_limit = EVENTS_AT_ONCE_MAX
            # A thread of the pool that set the timer itself would not wake the loop.
            self.hub.call_soon(self.hub.call_later, EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        """This function will send the events that have come together."""
        self.are_events_due = False
        self._flush_events()

    def stop(self) -> None:
        """This function will send the last events before nobody waits for them any more."""
        self.send_events()
        super().stop()

    def on_close(self) -> None:
        """This function will forget what was received on a connection that is lost."""
        # What cannot be published any more is kept for the next connection; what is not yet published would be gone.
        self.send_events()
        for gatherer in self.gatherers:
            gatherer.forget()
        self.gatherers.clear()
        super().on_close()

    def create_task_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """This function will return what Celery calls with each message."""
        receive: Callable[[Message], None] = super().create_task_handler(*arguments)

        def receive_task(message: Message) -> None:
            problem = problem_of(message)
            if problem:
                self.drop(message, problem)
            else:
                receive(message)

        return receive_task

    def drop(self, message: Message, problem: str) -> None:
        """This function will take a message from its queue, and say so."""
        logger.error("dropped a message: %s", problem)
        message.reject_log_error(logger, self.connection_errors)

    def on_decode_error(self, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """This function will drop a message that is not compressed as it says; Celery would show its body."""
        self.drop(message, UNDECODABLE)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """This function will drop a task whose headers Celery does not understand."""
        self.drop(message, "its headers make no sense")

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:
        """This function will fail a task that nobody knows, as Celery does, without the arguments in the log."""
        message.headers.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)
        super().on_unknown_task(HIDDEN if body is None else body, message, exc)
