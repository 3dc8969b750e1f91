"""Replays of writes without a row of their own: the work is done once, and the answer is stored for ever."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tasks.vouchers.messages import CreateVoucher
from tasks.wire.replay import answer_once
from tests.support.requests import voucher_body
from worker.database import run_in_transaction

pytestmark = pytest.mark.usefixtures("database")

CONFLICT = {"reason": "idempotency_conflict"}


class Counter:
    """Work that answers with the number of times that it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, Any]:
        """Do the work."""
        self.times += 1
        return {"time": self.times}


def answer(work: Counter, *, task: str = "codes.invent", delivery: str | None = None, **fields: Any) -> dict[str, Any]:
    """Answer a request in a new transaction."""
    request = CreateVoucher.model_validate(voucher_body(**fields))
    return run_in_transaction(
        lambda session: answer_once(
            session, request, task=task, delivery=delivery, conflict=lambda: dict(CONFLICT), work=work
        )
    )


def test_the_same_request_id_is_worked_on_once_and_answered_the_same():
    """The delivery that brings the request does not count."""
    work = Counter()
    answers = [answer(work, requestId="r1", delivery=delivery) for delivery in (None, "first", "second")]
    assert answers == [{"time": 1}] * 3


def test_another_body_is_a_conflict_and_the_first_stands():
    """The conflict is not stored."""
    work = Counter()
    assert answer(work, requestId="r1") == {"time": 1}
    assert answer(work, requestId="r1", name="Another") == CONFLICT
    assert answer(work, requestId="r1") == {"time": 1}


def test_without_a_request_id_a_delivery_is_worked_on_once_and_without_either_each_time():
    """A message can be delivered twice, so the delivery is a key too."""
    work = Counter()
    assert [answer(work, delivery="d1"), answer(work, delivery="d1"), answer(work, delivery="d2")] == [
        {"time": 1},
        {"time": 1},
        {"time": 2},
    ]
    assert [answer(work), answer(work)] == [{"time": 3}, {"time": 4}]


@pytest.mark.parametrize("other", [{"task": "codes.forget"}, {"project": "other"}, {"requestId": "d1"}])
def test_a_key_belongs_to_its_project_its_task_and_its_kind(other):
    """A caller's id that equals the id of a delivery is another key."""
    work = Counter()
    answer(work, **({"delivery": "d1"} if "requestId" in other else {"requestId": "r1"}))
    assert answer(work, **{"requestId": "r1", **other}) == {"time": 2}


def test_many_at_the_same_moment_get_one_answer():
    """Nothing is locked here: the constraint decides, and the losers find the winner's answer."""
    barrier = Barrier(4)

    class Meeting(Counter):
        """Work in which four callers wait for each other."""

        def __call__(self) -> dict[str, Any]:
            """Wait for the others, then do the work."""
            if self.times < 4:
                barrier.wait(timeout=30)
            return super().__call__()

    work = Meeting()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: answer(work, requestId="r1"), range(4)))
    assert all(each == answers[0] for each in answers)
