"""What logs, events and Flower may show of a task's arguments: the caller's ids, and nothing else of the body."""

import re
from collections.abc import Mapping
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request as CeleryRequest

from worker.intake.results import STORE_ERRORS, logger

# Field to shown name, in the order shown. `code` is not here: who knows a code can redeem it.
ID_FIELDS = {
    "project": "project",
    # As Polar and Dintero call it, and below what they call the voucher.
    "organization_id": "project",
    "aid": "project",
    "requestId": "requestId",
    "request_id": "requestId",
    "invoice": "invoice",
    "voucher": "voucher",
    "id": "voucher",
    "did": "voucher",
    "hold": "hold",
    "customer": "customer",
    "subscription": "subscription",
    "ref": "ref",
}
BULK_FIELDS = ("requests", "invoices")
# The contract's limit on a caller's own ids. What is longer is not an id.
ID_LENGTH_MAX = 255
# A code that was put where an id of ours belongs must not show up either: a TypeID or a UUID only.
OUR_IDS = {
    shown: re.compile(rf"{prefix}_[0-9a-z]{{26}}|[0-9a-f]{{8}}(-?[0-9a-f]{{4}}){{3}}-?[0-9a-f]{{12}}", re.IGNORECASE)
    for shown, prefix in {"voucher": "vou", "hold": "hol"}.items()
}


def summary(kwargs: object) -> str:
    """This function will show the ids in a task's keyword arguments as a dict literal, whatever it is given.

    A bulk request shows how many items it has and the ids of the first. A summary's own value gives the same
    summary, so that Flower can apply it to what it hears, whoever said it.
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
    """This class will hold a message that a worker received, showing its ids only, whatever its sender wrote."""

    def __init__(self, message: Any, **options: Any) -> None:
        try:
            super().__init__(message, **options)
        except (KeyError, TypeError, ValueError, OverflowError):
            # Celery takes any other error here for its own and stops; the message would stop every worker in turn.
            raise InvalidTaskError("the message has no id, or its body is not args, kwargs and options") from None
        self._argsrepr = "(…)" if self.args else "()"
        self._kwargsrepr = summary(self.kwargs)
        # The child process logs from this copy.
        self._request_dict.update(argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr)

    def _announce_revoked(self, *arguments: Any) -> None:
        try:
            super()._announce_revoked(*arguments)
        except STORE_ERRORS as error:
            # The worker would take it for the broker's and connect again, for as long as the store is down.
            logger.warning("an answer to a revoked task could not be stored: %s", type(error).__name__)
            self.acknowledge()
            self._already_revoked = True

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - Celery's own signature
        """This function will describe the request to `celery inspect` and Flower, never with the arguments' values."""
        description: dict[str, Any] = super().info(safe=True)
        return description
