"""Messages that are put into a queue as any program could put them, signed or not."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tests.end_to_end.busy_child import REDEEM
from tests.end_to_end.raw_messages import put_envelope
from tests.signing.conftest import Signed
from tests.signing.signing import HEADER, Key


def body_of(request: object, **following: Any) -> str:
    """Return the body of a message."""
    return json.dumps([[], {"request": request}, following])


def put(
    signed: Signed,
    key: Key | None,
    *,
    task: str = REDEEM,
    queue: str = "redemptions",
    body: str,
    sent: dict[str, Any] | None = None,
    said: dict[str, Any] | None = None,
    issued: int | None = None,
) -> str:
    """Put a message into a queue and return its id. `said` is what its signature says instead of what is sent."""
    task_id = str(uuid4())
    headers: dict[str, Any] = {"id": task_id, "task": task, **(sent or {})}
    if key is not None:
        said = said or {}
        header = key.header(
            fields={**headers, **said.get("fields", {})},
            queue=said.get("queue", queue),
            body=said.get("body", body).encode(),
            issued=issued,
        )
        headers[HEADER] = header
    put_envelope(signed.client, {"headers": headers, "body": body}, queue=queue)
    return task_id


def without_key(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that has the keys of others only."""
    return {name: value for name, value in variables.items() if name != "SCRIP_SIGNING_KEY_FILE"}
