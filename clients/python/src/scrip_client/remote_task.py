"""A task of Scrip's, as its senders see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scrip_client.errors import RequestFailed
from scrip_client.transport import Transport

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Sender(NamedTuple):
    """The connections of a client and its defaults: how long a call waits, in seconds, and the project of requests."""

    transport: Transport
    timeout: float
    project: str | None


class Sent:
    """A request that was sent. `id` is the id of its task."""

    def __init__(self, transport: Transport, id_: str, *, timeout: float) -> None:
        """Keep what it takes to get the answer. `timeout` is in seconds."""
        self.id = id_
        self._transport = transport
        self._timeout = timeout

    def __repr__(self) -> str:
        """Return the class and the id."""
        return f"{type(self).__name__}({self.id!r})"

    def answer(self, *, timeout: float | None = None) -> Any:
        """Wait for the answer, at most for so many seconds. A refusal is an answer.

        Raises RequestFailed if the request has failed for good, and NoAnswerError if there is no answer in time.
        """
        (answer,) = self._transport.answers([self.id], timeout=self._timeout if timeout is None else timeout)
        if isinstance(answer, RequestFailed):
            raise answer
        return answer

    def is_ready(self) -> bool:
        """Return whether there is an answer, or the request has failed for good."""
        return self._transport.is_ready(self.id)


class RemoteTask:
    """A task of Scrip's: call it to wait for the answer. A request is a mapping, or its fields by their names."""

    def __init__(self, sender: Sender, name: str, *, queue: str, has_project: bool = True) -> None:
        """Describe the task. Without `has_project`, its requests name no project of their own."""
        self.name = name
        self.queue = queue
        self._transport = sender.transport
        self._timeout = sender.timeout
        self._defaults = {"project": sender.project} if has_project and sender.project is not None else {}

    def __repr__(self) -> str:
        """Return the class and the name."""
        return f"{type(self).__name__}({self.name!r})"

    def __call__(self, request: Request | None = None, *, timeout: float | None = None, **fields: Any) -> Any:
        """Send a request and return the answer. Raises NotSentError, RequestFailed or NoAnswerError."""
        return self.send(request, **fields).answer(timeout=timeout)

    def send(self, request: Request | None = None, **fields: Any) -> Sent:
        """Send a request. Raises NotSentError."""
        return self._sent(self._transport.send(self.name, self.queue, self._whole(request, fields)))

    def send_many(self, requests: Iterable[Request]) -> list[Sent]:
        """Send requests, a thousand in a round trip on Redis. Raises NotSentError; some may have been sent then."""
        ids = self._transport.send_many(self.name, self.queue, [self._whole(each, {}) for each in requests])
        return [self._sent(each) for each in ids]

    def post(self, request: Request | None = None, **fields: Any) -> None:
        """Send a request whose answer nobody waits for, so that none is kept. Raises NotSentError."""
        self._transport.send(self.name, self.queue, self._whole(request, fields), wants_answer=False)

    def post_many(self, requests: Iterable[Request]) -> None:
        """Send requests as `send_many` does, without answers."""
        self._transport.send_many(
            self.name, self.queue, [self._whole(each, {}) for each in requests], wants_answer=False
        )

    def _sent(self, id_: str) -> Sent:
        return Sent(self._transport, id_, timeout=self._timeout)

    def _whole(self, request: Request | None, fields: Mapping[str, Any]) -> Request:
        return {**self._defaults, **(request or {}), **fields}
