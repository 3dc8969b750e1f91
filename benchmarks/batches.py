"""A use case without the broker: batch by batch on a single connection, each batch in a transaction."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from worker.database import run_in_transaction

Request = TypeVar("Request")

BATCH = 500


def per_second(decide_all: Callable[[Session, Sequence[Request]], object], requests: Sequence[Request]) -> float:
    """Decide the requests with the use case, and return the requests decided per second."""

    def decide(batch: Sequence[Request], session: Session) -> None:
        decide_all(session, batch)

    started = time.perf_counter()
    for start in range(0, len(requests), BATCH):
        run_in_transaction(partial(decide, requests[start : start + BATCH]))
    return len(requests) / (time.perf_counter() - started)
