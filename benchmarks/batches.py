"""A use case by itself: batch by batch on one connection, each in a transaction of its own."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from worker.database import run_in_transaction

Request = TypeVar("Request")

BATCH = 500


def per_second(decide_all: Callable[[Session, Sequence[Request]], object], requests: Sequence[Request]) -> float:
    """This function will have the use case decide the requests, and return how many it did in a second."""

    def decide(batch: Sequence[Request], session: Session) -> None:
        decide_all(session, batch)

    started = time.perf_counter()
    for start in range(0, len(requests), BATCH):
        run_in_transaction(partial(decide, requests[start : start + BATCH]))
    return len(requests) / (time.perf_counter() - started)
