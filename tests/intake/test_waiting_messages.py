"""New messages and redelivered messages of a task take turns."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.intake.waiting_messages import BATCH_BYTES_MAX, REDELIVERED_SIZE_MAX, WaitingMessages

SIZE_MAX = 500


def request(*, redelivered: bool = False, size: int = 2, limit: int | None = None, is_revoked: bool = False) -> Any:
    """Return the part of a request that decides its turn, and the batch in which it is."""
    return SimpleNamespace(
        delivery_info={"redelivered": redelivered},
        message=SimpleNamespace(body=bytes(size)),
        time_limits=(limit, None),
        revoked=lambda: is_revoked,
    )


def batch_of(requests: list[Any]) -> Any:
    """Return the part of a batch that decides whose turn is next."""
    return SimpleNamespace(requests=requests)


def send_next(waiting: WaitingMessages) -> Any:
    """Remove the next batch and send it, as a gatherer does."""
    batch = batch_of(waiting.take(allowed_size=lambda size: size))
    waiting.note_sent(batch)
    return batch


def is_redelivered(batch: Any) -> bool:
    """Return whether the batch has redelivered messages."""
    return bool(batch.requests[0].delivery_info["redelivered"])


@pytest.fixture
def waiting() -> WaitingMessages:
    """Return redelivered messages for three batches, and then new ones for two."""
    waiting = WaitingMessages(size_max=SIZE_MAX)
    for _ in range(3 * REDELIVERED_SIZE_MAX):
        waiting.add(request(redelivered=True))
    for _ in range(2 * SIZE_MAX):
        waiting.add(request(redelivered=False))
    return waiting


def test_another_child_takes_new_messages_while_redelivered_ones_run(waiting: WaitingMessages) -> None:
    """Redelivered messages run in a smaller batch."""
    first, second = send_next(waiting), send_next(waiting)
    assert (is_redelivered(first), len(first.requests)) == (True, REDELIVERED_SIZE_MAX)
    assert (is_redelivered(second), len(second.requests)) == (False, SIZE_MAX)


def test_redelivered_messages_wait_for_a_running_batch_of_redelivered_ones(waiting: WaitingMessages) -> None:
    """When no new ones are left, nothing may be sent until that batch has ended."""
    first = send_next(waiting)
    send_next(waiting)
    send_next(waiting)
    assert len(waiting) == 0
    assert waiting.note_ended(first)
    assert len(waiting) == 2 * REDELIVERED_SIZE_MAX
    assert is_redelivered(send_next(waiting))


def test_a_single_child_takes_both_kinds_in_turn(waiting: WaitingMessages) -> None:
    """Neither kind starves."""
    kinds = []
    while waiting:
        batch = send_next(waiting)
        kinds.append(is_redelivered(batch))
        waiting.note_ended(batch)
    assert kinds == [True, False, True, False, True]


def test_the_end_of_new_messages_lets_no_redelivered_ones_run(waiting: WaitingMessages) -> None:
    """Only the end of the batch for which they wait does."""
    send_next(waiting)
    assert not waiting.note_ended(send_next(waiting))


def test_messages_that_are_decided_one_by_one_do_not_wait() -> None:
    """Every child may take a redelivered message."""
    waiting = WaitingMessages(size_max=1)
    for _ in range(2):
        waiting.add(request(redelivered=True))
    assert is_redelivered(send_next(waiting))
    assert len(waiting) == 1


def test_all_messages_are_taken_at_the_end(waiting: WaitingMessages) -> None:
    """They are put back."""
    assert len(waiting.take_all()) == 3 * REDELIVERED_SIZE_MAX + 2 * SIZE_MAX
    assert len(waiting) == 0


def test_large_messages_fill_a_batch_as_many_small_ones_do() -> None:
    """The message that exceeds the bytes is the last one. The allowed size counts too."""
    waiting = WaitingMessages(size_max=SIZE_MAX)
    for _ in range(6):
        waiting.add(request(size=BATCH_BYTES_MAX // 2))
    assert [len(waiting.take(allowed_size=lambda size: size)) for _ in range(2)] == [2, 2]
    assert waiting.take(allowed_size=lambda _size: 0) == []
    assert len(waiting.take(allowed_size=lambda _size: 1)) == 1


def test_a_message_with_a_time_limit_of_its_own_is_alone() -> None:
    """Those before it and those after it are in other batches, and a revoked one is in none."""
    waiting = WaitingMessages(size_max=SIZE_MAX)
    requests = [request(), request(is_revoked=True), request(limit=9), request(), request()]
    for each in requests:
        waiting.add(each)
    batches = [waiting.take(allowed_size=lambda size: size) for _ in range(4)]
    assert batches == [requests[:1], requests[2:3], requests[3:], []]
