"""Messages as a worker hands them to a child, and the child's outcomes."""

import json
from typing import Any

from sqlalchemy import text

from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher, redemption
from tests.support.tasks import task_named
from worker.database import transaction
from worker.intake.delivery import Delivery, Fate, Original, Outcome

REDEEM = "redemptions.redeem"
LOST = "WorkerLostError: its process ended"
POISON = "cus_poison"


def run(name: str, deliveries: list[Delivery], child_death: str) -> list[Outcome]:
    """Decide a batch as a child does, by the registered task."""
    outcomes: list[Outcome] = task_named(name).decide_batch(deliveries, child_death)
    return outcomes


def delivery(
    request: Any, *, number: int, redelivered: bool = False, retries: int = 0, is_suspect: bool = False
) -> Delivery:
    """Return a message with the request. `is_suspect` is true if the message's child died."""
    original = Original(
        queue="redemptions",
        headers={"id": f"task-{number}", "task": REDEEM, "retries": retries},
        body=json.dumps([[], {"request": request}, {}]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    return Delivery(
        id=f"task-{number}",
        args=[],
        kwargs={"request": request},
        retries=retries,
        redelivered=redelivered,
        wants_answer=False,
        group=None,
        parent=None,
        original=original if is_suspect or redelivered or retries else None,
    )


def batch(count: int, *, poison: int | None = None, **fields: Any) -> list[Delivery]:
    """Return messages for one voucher, with the poison's customer in the message at that position."""
    voucher = create_voucher()["id"]
    requests: list[dict[str, Any]] = [redemption(voucher=voucher) for _ in range(count)]
    if poison is not None:
        requests[poison]["customer"] = POISON
    return [delivery(request, number=number, **fields) for number, request in enumerate(requests)]


def fates(outcomes: list[Outcome]) -> list[Fate]:
    """Return the fate of each message."""
    return [outcome.fate for outcome in outcomes]


def query(statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with transaction() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def begin_alone(delivered: list[Delivery], *, times: int, project: str = "gigs") -> None:
    """Record attempts alone at the messages, as a process does that dies over each of them."""
    with as_administrator() as session:
        for each in delivered:
            values = {"project": project, "task_id": each.id, "alone": times}
            session.execute(
                text("INSERT INTO attempts VALUES (:project, :task_id, 0, :alone, clock_timestamp())"), values
            )
