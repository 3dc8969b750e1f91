"""Send requests from Django after COMMIT, so that no request is sent for rows that are rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction

from scrip_client.remote_task import RemoteTask


def on_commit(
    task: RemoteTask, request: Mapping[str, Any] | None = None, *, using: str | None = None, **fields: Any
) -> None:
    """Send a request when the transaction of the database `using` is committed, without waiting for an answer.

    If the process dies between COMMIT and the send, nothing is sent: send again what has no outcome yet.
    """
    transaction.on_commit(partial(task.post, request, **fields), using=using)
