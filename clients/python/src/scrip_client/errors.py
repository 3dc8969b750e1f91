"""The errors of requests, as exceptions that a caller can import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class BadField(NamedTuple):
    """A bad field of a request: the path of the field, and the problem."""

    field: str
    message: str


class ScripError(Exception):
    """The base of every exception of this package."""


class NoAnswerError(ScripError, TimeoutError):
    """There is no answer in time. The request may still be decided: send it again, with the same id."""


class NotSentError(ScripError, ConnectionError):
    """The broker took no message, or did not say that it had. Send the request again, with the same id."""


class RequestFailed(ScripError):
    """The request has failed for good and had no effect. `kind` is the name of the server's error."""

    def __init__(self, kind: str, *details: Any) -> None:
        super().__init__(kind, *details)
        self.kind = kind

    def __str__(self) -> str:
        """Return the kind and the text of the error."""
        return ": ".join(map(str, self.args))


class InvalidRequest(RequestFailed):
    """The request has bad fields, which `errors` names."""

    @property
    def errors(self) -> list[BadField]:
        """The bad fields, up to a hundred."""
        listed = self.args[1] if len(self.args) > 1 else ()
        return [BadField(str(each["field"]), str(each["message"])) for each in _mappings(listed)]


class NotFound(RequestFailed):
    """The project has no row that the request names."""


class NotAllowed(RequestFailed):
    """The message is not signed by a key that may send it."""


class GivenUp(RequestFailed):
    """The message failed in all attempts, which is a fault of the server. An operator can send it again."""


class WrongQueue(RequestFailed):
    """The message came by the queue of other tasks."""


_BY_KIND = {each.__name__: each for each in (InvalidRequest, NotFound, NotAllowed, GivenUp, WrongQueue)}


def failure_of(error: BaseException) -> RequestFailed:
    """Return the exception for an error that Celery has made from a stored result. Its class has the kind's name."""
    kind = type(error).__name__
    return _BY_KIND.get(kind, RequestFailed)(kind, *error.args)


def _mappings(listed: Any) -> Sequence[Any]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, (list, tuple)) else []
