"""How old the oldest message of a queue is, as repeated looks at Valkey tell, by a clock that the test sets."""

from collections.abc import Iterator

import pytest
from kombu.utils.json import dumps
from redis import Redis

from tests.end_to_end.broker import with_redis
from tests.support.administrator import administrators_broker_url
from worker.monitoring import queue_ages
from worker.monitoring.queue_ages import MARKS_MAX, QueueAges

# A database of Valkey from which no worker reads.
UNREAD = 10
QUEUE = "redemptions"


class Queue:
    """A queue of two priorities, the taken messages, and what a monitor tells of their age."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.now = 1_000.0
        self.lists = (QUEUE, f"{QUEUE}\x06\x169")
        self.taken: dict[str, str] = {}
        self.ages = QueueAges(lambda: self.now)

    def send(self, *tags: str, priority: int = 0) -> None:
        """Send messages with those tags."""
        for tag in tags:
            self.redis.lpush(self.lists[priority], dumps({"body": "", "properties": {"delivery_tag": tag}}))

    def take(self, count: int) -> list[str]:
        """Take the oldest messages, and return their tags."""
        texts = [self.redis.rpop(QUEUE) for _ in range(count)]
        tags = [str(text).partition('"delivery_tag": "')[2].partition('"')[0] for text in texts]
        self.taken |= dict.fromkeys(tags, QUEUE)
        return tags

    def age_after(self, seconds: float) -> float | None:
        """Return the age at a look that long after the last one."""
        self.now += seconds
        lengths = {key: int(str(self.redis.llen(key))) for key in self.lists}
        return self.ages.look(self.redis, lists={QUEUE: lengths}, taken=self.taken).get(QUEUE)


@pytest.fixture
def queue(environment: dict[str, str]) -> Iterator[Queue]:
    """Yield a queue, which is empty before and after the test."""
    with Redis.from_url(administrators_broker_url(with_redis(environment, number=UNREAD)["REDIS_URL"])) as client:
        client.flushdb()
        yield Queue(client)
        client.flushdb()


def test_an_empty_queue_has_no_age(queue: Queue) -> None:
    """Nor one that was emptied."""
    assert queue.age_after(5) is None
    queue.send("one")
    assert queue.age_after(5) == 0
    queue.redis.flushdb()
    assert queue.age_after(5) is None
    queue.send("two")
    assert queue.age_after(5) == 0


def test_a_message_that_nobody_takes_gets_older(queue: Queue) -> None:
    """Whatever is sent after it."""
    queue.send("one")
    assert queue.age_after(0) == 0
    for number in range(5):
        queue.send(f"later-{number}")
        assert queue.age_after(10) == 10 * (number + 1)


def test_a_queue_that_moves_is_as_old_as_its_oldest_message(queue: Queue) -> None:
    """Ten messages come each second, and five are taken: so the oldest gets older by half a second each second."""
    for second in range(1, 61):
        queue.send(*(f"{second}-{number}" for number in range(10)))
        for tag in queue.take(5):
            del queue.taken[tag]
        age = queue.age_after(1)
        # The oldest message was sent in that second.
        true_age = second - (5 * second // 10 + 1)
        assert age is not None
        assert true_age - 1 <= age <= true_age


def test_a_message_keeps_its_age_when_a_worker_takes_it(queue: Queue) -> None:
    """It waits for a lock, for example, and others are done meanwhile."""
    queue.send("one")
    queue.age_after(0)
    queue.age_after(30)
    queue.take(1)
    assert queue.age_after(10) == 40
    queue.send("two")
    assert queue.age_after(10) == 50
    del queue.taken["one"]
    assert queue.age_after(10) == 10


def test_a_taken_message_that_was_never_seen_before_begins_now(queue: Queue) -> None:
    """It was taken between two looks."""
    queue.taken = {"one": QUEUE}
    assert queue.age_after(10) == 0
    queue.taken |= {"two": QUEUE}
    assert queue.age_after(10) == 10


def test_the_oldest_message_is_found_behind_any_number_of_others(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for from its own end of the list, and not further than the server can bear."""
    monkeypatch.setattr(queue_ages, "LOOK_COUNT_MAX", 5)
    queue.send("one")
    queue.age_after(0)
    queue.send(*(f"later-{number}" for number in range(20)))
    assert queue.age_after(10) == 10


def test_a_burst_that_is_longer_than_a_look_gets_older_too(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newest message is out of reach, so another is remembered, and found again if messages are put back."""
    monkeypatch.setattr(queue_ages, "LOOK_COUNT_MAX", 8)
    queue.send(*(f"{number}" for number in range(20)))
    assert [queue.age_after(10) for _ in range(3)] == [0, 10, 20]
    queue.redis.rpush(QUEUE, *(dumps({"properties": {"delivery_tag": f"back-{number}"}}) for number in range(2)))
    assert queue.age_after(10) == 30
    for count, age in ((4, 40), (2, 10)):
        for tag in queue.take(count):
            del queue.taken[tag]
        assert queue.age_after(10) == age


def test_messages_that_are_put_back_do_not_hide_an_old_one(queue: Queue) -> None:
    """They are put where messages are fetched first."""
    queue.send("one", "two")
    queue.age_after(0)
    queue.redis.rpush(QUEUE, dumps({"properties": {"delivery_tag": "back"}}))
    assert queue.age_after(20) == 20


def test_each_priority_has_an_oldest_message(queue: Queue) -> None:
    """The older of the two is the queue's."""
    queue.send("one", priority=1)
    queue.age_after(0)
    queue.send("two")
    assert queue.age_after(10) == 10
    queue.redis.delete(queue.lists[1])
    assert queue.age_after(5) == 5


def test_a_text_that_is_no_message_has_an_age_too(queue: Queue) -> None:
    """Nobody has fetched it yet, and the next fetch sets it aside."""
    queue.redis.lpush(QUEUE, "no message")
    queue.age_after(0)
    assert queue.age_after(10) == 10
    queue.redis.flushdb()
    assert queue.age_after(10) is None


def test_a_long_backlog_is_remembered_by_few_marks(queue: Queue) -> None:
    """The oldest mark stays."""
    for number in range(5 * MARKS_MAX):
        queue.send(f"{number}")
        age = queue.age_after(1)
    assert age == 5 * MARKS_MAX - 1
    (marks,) = (each._marks for key, each in queue.ages._lists.items() if key == QUEUE)  # noqa: SLF001 - only the memory shows it
    assert len(marks) <= MARKS_MAX


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "7", '{"properties": {"delivery_tag": []}}', '{"body": "' + "x" * 2**21]
)
def test_a_text_that_is_no_message_ends_no_look(queue: Queue, text: str) -> None:
    """A monitor goes on, and keeps no large text."""
    queue.redis.lpush(QUEUE, text)
    queue.age_after(0)
    queue.redis.rpop(QUEUE)
    queue.send("one")
    queue.age_after(5)
    queue.send("two")
    assert queue.age_after(5) == 5
