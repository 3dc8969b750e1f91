"""The client of a Scrip: its tasks, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from scrip_client.errors import RequestFailed
from scrip_client.remote_task import Answer, Sender, Sent
from scrip_client.rooms import Rooms
from scrip_client.signing import SigningKey
from scrip_client.transport import Transport

TIMEOUT_SECONDS = 10.0


class Client(Rooms):
    """A client, which threads may share. `client.redemptions.redeem(project=…, …)` waits for the answer."""

    def __init__(
        self,
        broker_url: str,
        *,
        result_url: str | None = None,
        project: str | None = None,
        key: SigningKey | None = None,
        timeout: float = TIMEOUT_SECONDS,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the connections, which are made at their first use.

        `result_url` is the address of the result store, if the broker is not that too. `project` is that of requests
        that name none. `key` signs every message.
        `timeout` is how long a call waits for its answer, in seconds. `settings` are Celery's own.
        """
        self._timeout = timeout
        self._transport = Transport(broker_url, result_url=result_url, key=key, settings=settings)
        super().__init__(Sender(self._transport, timeout, project))

    def __enter__(self) -> Client:
        """Return the client, which is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def answers(self, sent: Sequence[Sent], *, timeout: float | None = None) -> list[Answer | RequestFailed]:
        """Wait for the answers to requests, in their order. A request that has failed has its exception there.

        Raises NoAnswerError if one of them has no answer within so many seconds, by default those of the client.
        """
        return self._transport.answers(
            [each.id for each in sent], timeout=self._timeout if timeout is None else timeout
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
