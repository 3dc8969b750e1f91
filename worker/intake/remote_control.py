"""Celery's remote control, of which a worker obeys only the commands that change nothing.

Whoever can write to the broker can send a command to every worker. The commands are a list of those that are obeyed, so
a new command of a later Celery is refused.
"""

from collections.abc import Mapping
from time import monotonic
from types import MappingProxyType
from typing import Any

from celery.utils.log import get_logger
from celery.worker.consumer.control import Control
from celery.worker.control import Panel
from kombu import Message

from worker.intake.envelope import problem_of_body
from worker.metrics.counters import counters
from worker.metrics.definitions import COMMANDS_REFUSED, MALFORMED, NOT_OBEYED, TOO_MANY

logger = get_logger(__name__)

# The commands that change nothing, each with what needs it.
OBEYED: Mapping[str, str] = MappingProxyType(
    {
        "ping": "health checks",
        "stats": "Flower",
        "active": "Flower",
        "reserved": "Flower",
        "scheduled": "Flower",
        "revoked": "Flower",
        "registered": "Flower",
        "active_queues": "Flower and `scrip status`",
        "conf": "Flower",
        "query_task": "`celery inspect query_task`, which shows only ids",
        "enable_events": "Flower, which sends it at its start; events are on anyway",
        "heartbeat": "Flower, which asks at its start who is there",
        "report": "`celery inspect report`",
        "clock": "`celery inspect clock`",
    }
)
# Flower sends eight commands when a page of a worker is opened, and each health check one.
PER_SECOND_MAX = 50
# A refusal is logged no more often than this.
LOG_SECONDS = 10
# An id of a task has up to 255 characters.
ARGUMENTS_MAX = 1_000
NAME_LENGTH_MAX = 255


class RemoteControl:
    """The remote control of a worker: checks each command, and passes on those that are obeyed."""

    def __init__(self, step: Control) -> None:
        """Take the place of the receiver in Celery's step."""
        self._box = step.box
        self._start = step.box.start
        node = self._box.node
        node.handlers = {name: Panel.data[name] for name in OBEYED if name in Panel.data}
        self._reply_exchange: str = node.mailbox.reply_exchange.name
        self._hostname: str = node.hostname
        self._window, self._left, self._logged_until = 0.0, PER_SECOND_MAX, 0.0
        step.start = step.box.start = self.start

    def start(self, consumer: Any) -> None:
        """Begin to receive commands, before kombu decodes them."""
        self._start(consumer)
        self._box.consumer.on_message = self.receive

    def receive(self, message: Message) -> None:
        """Run a command, or refuse it: a count, a line in the log, and an answer if the sender waits for one."""
        body = None if problem_of_body(message.body) else _decoded(message)
        if not isinstance(body, dict) or not self._is_command(body):
            self._refuse("a command is malformed", reason=MALFORMED)
            return
        destination = body.get("destination")
        if destination and self._hostname not in destination:
            return
        # With many workers, most commands of Flower are for others.
        if self._is_flooded():
            self._refuse("there are too many commands", reason=TOO_MANY)
            return
        if body["method"] not in self._box.node.handlers:
            # Names come from anybody.
            self._refuse("a command is not obeyed", reason=NOT_OBEYED)
            self._answer(body, {"error": "this worker does not obey the command"})
            return
        if not _are_small(body.get("arguments")):
            self._refuse("a command is malformed", reason=MALFORMED)
            return
        # Commands of the same second are told apart by a sender's clock, which may be anything.
        message.headers["clock"] = 0
        self._box.on_message({**body, "pattern": None, "matcher": None}, message)

    def _is_command(self, body: Mapping[str, Any]) -> bool:
        reply_to, destination = body.get("reply_to"), body.get("destination")
        return (
            isinstance(body.get("method"), str)
            and body.keys() <= {"method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to"}
            # A pattern may be a regular expression that takes for ever.
            and not body.get("pattern")
            and (destination is None or isinstance(destination, list))
            and (reply_to is None or self._is_reply_to(reply_to))
            and (body.get("ticket") is None or _is_name(body["ticket"]))
        )

    def _is_reply_to(self, reply_to: Any) -> bool:
        # To another exchange, a worker would write into a queue that the sender may not write to.
        return (
            isinstance(reply_to, dict)
            and reply_to.get("exchange") == self._reply_exchange
            and _is_name(reply_to.get("routing_key"))
        )

    def _answer(self, body: Mapping[str, Any], answer: Mapping[str, str]) -> None:
        reply_to = body.get("reply_to")
        if reply_to:
            self._box.node.reply(
                {self._hostname: answer}, reply_to["exchange"], reply_to["routing_key"], body.get("ticket")
            )

    def _is_flooded(self) -> bool:
        now = monotonic()
        if now - self._window >= 1:
            self._window, self._left = now, PER_SECOND_MAX
        self._left -= 1
        return self._left < 0

    def _refuse(self, problem: str, *, reason: str) -> None:
        counters.add(COMMANDS_REFUSED, 1, reason)
        if monotonic() >= self._logged_until:
            self._logged_until = monotonic() + LOG_SECONDS
            logger.warning("refused a command of the remote control: %s", problem)


def _decoded(message: Message) -> Any:
    try:
        return message.payload
    except Exception:  # noqa: BLE001 - any program can write anything there
        return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= NAME_LENGTH_MAX and value.isprintable()


def _are_small(arguments: object) -> bool:
    if not isinstance(arguments, dict):
        return arguments is None
    lists = (each if isinstance(each, list) else [each] for each in arguments.values())
    texts = [text for each in lists for text in each]
    return len(texts) <= ARGUMENTS_MAX and all(
        text is None or isinstance(text, bool | int | float) or (isinstance(text, str) and len(text) <= NAME_LENGTH_MAX)
        for text in texts
    )
