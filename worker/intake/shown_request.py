"""Requests that show only the caller's ids in logs, events and Flower, and nothing else of the body."""

import re
import time
from collections.abc import Mapping
from typing import Any

from celery import states
from celery.exceptions import InvalidTaskError, TaskRevokedError
from celery.utils.log import get_logger
from celery.worker.request import Request as CeleryRequest

from worker.intake.counted_outcomes import count_unrun
from worker.intake.dropped_messages import QUIET_SECONDS, undecided_delivery
from worker.intake.invalid_options import REFUSED
from worker.intake.named_projects import BULK_FIELDS, PROJECT_FIELDS
from worker.intake.results import STORE_ERRORS, TaskResult, write

logger = get_logger(__name__)

# The field and the name that is shown, in the order shown. `code` is missing: anybody who knows a code can redeem it.
ID_FIELDS = {
    **dict.fromkeys(PROJECT_FIELDS, "project"),
    "requestId": "requestId",
    "request_id": "requestId",
    "invoice": "invoice",
    "voucher": "voucher",
    # Polar's and Dintero's names for a voucher.
    "id": "voucher",
    "did": "voucher",
    "hold": "hold",
    "customer": "customer",
    "subscription": "subscription",
    "ref": "ref",
}
# The contract's limit on a caller's own ids. A longer text is not an id.
ID_LENGTH_MAX = 255
# A caller may send a code in the place of Scrip's id. So these fields show only a TypeID or a UUID.
OUR_IDS = {
    shown: re.compile(rf"{prefix}_[0-9a-z]{{26}}|[0-9a-f]{{8}}(-?[0-9a-f]{{4}}){{3}}-?[0-9a-f]{{12}}", re.IGNORECASE)
    for shown, prefix in {"voucher": "vou", "hold": "hol"}.items()
}


def summary(kwargs: object) -> str:
    """Return the ids in a task's keyword arguments as a dict literal; `kwargs` may be any value.

    For a bulk request, the summary has the number of items and the ids of the first item. The summary of a summary
    is the same, so Flower can apply this to the events of senders and of workers.
    """
    body = kwargs.get("request", kwargs) if isinstance(kwargs, Mapping) else None
    if not isinstance(body, Mapping):
        return "{}"
    for field in BULK_FIELDS:
        items = body.get(field)
        if isinstance(items, list):
            return repr({"count": len(items)} | _ids(items[0] if items else None))
    return repr(_count(body) | _ids(body))


def _ids(body: object) -> dict[str, str | int]:
    if not isinstance(body, Mapping):
        return {}
    return {shown: body[field] for field, shown in ID_FIELDS.items() if _is_id(field, body.get(field))}


def _is_id(field: str, value: object) -> bool:
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH_MAX:
        return False
    ours = OUR_IDS.get(ID_FIELDS[field])
    return ours is None or ours.fullmatch(value) is not None


def _count(body: Mapping[str, object]) -> dict[str, str | int]:
    count = body.get("count")
    return {"count": count} if type(count) is int else {}


class Request(CeleryRequest):
    """A message that a worker received. Its representation has only ids, whatever the sender wrote."""

    # After an error, the result store is not told of revoked and expired messages for a while.
    quiet_until = 0.0
    # The result store was told that the message was revoked or has expired.
    is_store_told = False

    def __init__(self, message: Any, **options: Any) -> None:
        try:
            super().__init__(message, **options)
        except (KeyError, TypeError, ValueError, OverflowError):
            # Any other error here stops Celery. Redelivered, the message would stop every worker in turn.
            raise InvalidTaskError("the message has no id, or its body is not args, kwargs and options") from None
        self._argsrepr = "(…)" if self.args else "()"
        self._kwargsrepr = summary(self.kwargs)
        # A child may be a thread, where Celery itself runs the message.
        self._request_dict[REFUSED] = message.headers.get(REFUSED)
        # The child process logs the values of this copy.
        self._request_dict.update(argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr)

    @property
    def store_errors(self) -> bool:
        """Whether the result store is told that the message was revoked or has expired. The event loop waits for it."""
        return not self.is_store_told and time.monotonic() >= Request.quiet_until and bool(super().store_errors)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note that a child has begun. From now on the message cannot expire, since its effect may be committed."""
        self._expires = None
        super().on_accepted(pid, time_accepted)

    def _announce_revoked(self, reason: str, *arguments: Any) -> None:
        count_unrun(self.name, outcome=reason)
        try:
            if self.store_errors:
                # Celery itself would replace the result of another project's task with the same id.
                delivery = undecided_delivery(self.id, kwargs=self.kwargs)
                write(self.task.backend, [TaskResult(delivery, states.REVOKED, TaskRevokedError(reason))])
                self.is_store_told = True
            super()._announce_revoked(reason, *arguments)
        except STORE_ERRORS as error:
            Request.quiet_until = time.monotonic() + QUIET_SECONDS
            # Celery would take this for an error of the broker, and reconnect for as long as the store is down.
            logger.warning("an answer to a revoked task could not be stored: %s", type(error).__name__)
            # Acknowledgement point: Celery failed to store the answer, before it acknowledged the revoked message.
            self.acknowledge()
            self._already_revoked = True

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - Celery's own signature
        """Return the description for `celery inspect` and Flower, never with the values of the arguments."""
        description: dict[str, Any] = super().info(safe=True)
        return description
