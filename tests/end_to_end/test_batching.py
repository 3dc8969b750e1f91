"""Messages that a worker decides together: each is answered, acknowledged after its COMMIT, and seen by itself."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.events import events_of, listening
from tests.end_to_end.requests import created
from tests.end_to_end.running import (
    DEADLINE_SECONDS,
    SOON_AGAIN,
    Client,
    Json,
    Program,
    Worker,
    eventually,
    holding,
    poisoned,
    rows,
    scrip,
    waiting_for_locks,
    with_redis,
)
from tests.end_to_end.test_faults import child_with_port
from tests.support.requests import redemption

BATCHING, LEAVING, HANGING = 9, 10, 11
CREDIT = 500
REDEEM = "redemptions.redeem"
HELD = "SELECT 1 FROM vouchers WHERE name = %s FOR UPDATE"
POISON = "HUSH-CUSTOMER-93c1"
TRIES = 3


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Client]]:
    """A worker of one child that may have many messages, for this module."""
    variables = with_redis(environment, number=BATCHING)
    folder = tmp_path_factory.mktemp("batching")
    with (
        Worker(folder=folder, environment=variables, children=1, credit=CREDIT) as worker,
        Client(variables) as client,
    ):
        yield worker.wait_ready(), client
        assert worker.stop() == 0, worker.log


@pytest.fixture
def batching(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client]]:
    """That worker on an empty database. After the test it lives, and every message is acknowledged."""
    worker, client = running
    worker.revive()
    yield worker, client
    worker.settle()


def gathered(client: Client, count: int) -> bool:
    """This function will tell whether so many messages are with workers and none is left in the queue."""
    return not client.broker.waiting("redemptions") and client.broker.redis.hlen("unacked") == count


def keep_busy(worker: Worker, client: Client) -> str:
    """This function will give the worker's child a request that waits for a lock, and return its id."""
    busy = client.send(REDEEM, redemption(code="HELD"))
    worker.while_it_lives(lambda: waiting_for_locks(worker.environment["DATABASE_URL"]))
    return busy


def test_messages_that_wait_for_a_child_are_one_transaction(batching: tuple[Worker, Client]) -> None:
    """None is acknowledged before its COMMIT, and each has its answer."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with holding(url, HELD, "Held"):
        busy = keep_busy(worker, client)
        sent = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(300)]
        worker.while_it_lives(lambda: gathered(client, 301))
        assert rows(url, "SELECT count(*) FROM redemptions") == [(0,)]
    assert client.answer(busy)["outcome"] == "accepted"
    assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 301))
    # The last ones may have come to the broker's door when the child was free again.
    (instants,) = rows(url, "SELECT count(DISTINCT decided_at) FROM redemptions")[0]
    assert instants <= 4
    assert rows(url, "SELECT redemptions FROM vouchers WHERE name <> 'Held'") == [(300,)]


def test_reservations_that_wait_for_a_child_are_one_transaction(batching: tuple[Worker, Client]) -> None:
    """Each with its own time, and each has its answer."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client, restrictions={"maximumRedemptions": 250})
    with holding(url, HELD, "Held"):
        busy = keep_busy(worker, client)
        bodies = [{**redemption(voucher=identity), "ttl": 600 + number} for number in range(300)]
        sent = [client.send("redemptions.reserve", body) for body in bodies]
        worker.while_it_lives(lambda: gathered(client, 301))
        assert rows(url, "SELECT count(*) FROM holds") == [(0,)]
    assert client.answer(busy)["outcome"] == "accepted"
    assert Counter(client.answer(each)["reason"] for each in sent) == {None: 250, "fully_reserved": 50}
    # The last ones may have come to the broker's door when the child was free again.
    (instants,) = rows(url, "SELECT count(DISTINCT created_at) FROM holds")[0]
    assert instants <= 4
    assert rows(url, "SELECT held FROM vouchers WHERE name <> 'Held'") == [(250,)]


def test_a_message_that_comes_alone_does_not_wait_for_others(batching: tuple[Worker, Client]) -> None:
    """And is decided by itself."""
    worker, client = batching
    identity = created(client)
    for number in range(1, 4):
        assert client.ask(REDEEM, redemption(voucher=identity))["redemptionNumber"] == number
    assert worker.lives()


def test_a_batch_that_hangs_holds_nobody_up(client: Client, worker: Worker, log_since: int) -> None:
    """What comes while a batch runs waits for its end, to be decided in fewer; but not for long."""
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with holding(url, HELD, "Held"):
        stuck = client.send(REDEEM, redemption(code="HELD"))
        worker.while_it_lives(lambda: waiting_for_locks(url))
        assert client.ask(REDEEM, redemption(voucher=identity))["outcome"] == "accepted"
        # The other one is still in its first wait for the lock.
        assert "retry" not in worker.log[log_since:]
    assert client.answer(stuck)["outcome"] == "accepted"


def test_bad_input_among_others_fails_alone(batching: tuple[Worker, Client]) -> None:
    """It says which fields, as it does by itself."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with holding(url, HELD, "Held"):
        keep_busy(worker, client)
        good = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(3)]
        bad = client.send(REDEEM, redemption(voucher=identity, customer=None))
        positional = client.send_arguments(REDEEM, args=[redemption(voucher=identity)])
        good += [client.send(REDEEM, redemption(voucher=identity)) for _ in range(3)]
        worker.while_it_lives(lambda: gathered(client, 9))
    assert sorted(client.answer(each)["redemptionNumber"] for each in good) == list(range(1, 7))
    for task_id, field in ((bad, "customer"), (positional, "request")):
        outcome = client.outcome(task_id)
        assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "InvalidRequest")
        assert [each["field"] for each in outcome["result"]["exc_message"][0]] == [field]


def test_what_was_revoked_or_has_expired_is_not_run(batching: tuple[Worker, Client]) -> None:
    """Although it was gathered already."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with holding(url, HELD, "Held"):
        keep_busy(worker, client)
        wanted = client.send(REDEEM, redemption(voucher=identity))
        revoked = client.send(REDEEM, redemption(voucher=identity))
        expiring = client.send(REDEEM, redemption(voucher=identity), expires=2)
        expired_at = time.monotonic() + 2
        worker.while_it_lives(lambda: gathered(client, 4))
        assert client.app.control.revoke(revoked, reply=True, timeout=DEADLINE_SECONDS, limit=1)
        worker.while_it_lives(lambda: time.monotonic() > expired_at)
    assert client.answer(wanted)["redemptionNumber"] == 1
    worker.while_it_lives(lambda: client.broker.state(revoked)["status"] == "REVOKED")
    worker.while_it_lives(lambda: client.broker.state(expiring)["status"] == "REVOKED")
    assert rows(url, "SELECT redemptions FROM vouchers ORDER BY name") == [(1,), (1,)]


def test_two_copies_of_a_message_in_one_batch_are_one(batching: tuple[Worker, Client]) -> None:
    """A copy with another body is a message of its own, whatever its id says."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    requests = [redemption(voucher=identity) for _ in range(2)]
    with holding(url, HELD, "Held"):
        keep_busy(worker, client)
        for request in (*requests, requests[0], requests[0]):
            client.send(REDEEM, request, task_id="one-and-the-same")
        worker.while_it_lives(lambda: gathered(client, 5))
    worker.settle()
    assert rows(url, "SELECT redemptions FROM vouchers WHERE name <> 'Held'") == [(2,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(3,)]


def test_flower_sees_each_message(batching: tuple[Worker, Client]) -> None:
    """Received, started and ended, with its ids and nothing else."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with client.app.connection_for_read() as connection, listening(client.app, connection) as hear:
        with holding(url, HELD, "Held"):
            busy = keep_busy(worker, client)
            good = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
            bad = client.send(REDEEM, {"code": "HELD"})
            worker.while_it_lives(lambda: gathered(client, 7))
        events = events_of(hear, busy, *good, bad)
    seen: dict[str, list[str]] = {}
    for each in events:
        seen.setdefault(each["uuid"], []).append(each["type"])
    for task_id in (busy, *good):
        assert seen[task_id] == ["task-received", "task-started", "task-succeeded"]
    assert seen[bad] == ["task-received", "task-started", "task-failed"]
    assert "HELD" not in json.dumps(events)


def test_canvas_runs_as_celery_runs_it(batching: tuple[Worker, Client]) -> None:
    """What comes after a message, or waits for all of them, is Celery's to call."""
    worker, client = batching
    log_since = len(worker.log)
    identity = created(client)
    follows = client.app.signature("redemptions.retrieve", kwargs={"request": {"project": "gigs", "requestId": "one"}})
    first = client.send(REDEEM, redemption(voucher=identity, requestId="one"), link=follows.set(immutable=True))
    assert client.answer(first)["redemptionNumber"] == 1
    worker.while_it_lives(lambda: "Task redemptions.retrieve[" in worker.log[log_since:])


def test_a_message_for_later_is_decided_then(batching: tuple[Worker, Client]) -> None:
    """It waits in the worker, and takes nobody's place."""
    worker, client = batching
    identity = created(client)
    later = client.send(REDEEM, redemption(voucher=identity), countdown=1)
    assert client.ask(REDEEM, redemption(voucher=identity))["redemptionNumber"] == 1
    assert client.answer(later)["redemptionNumber"] == 2
    assert worker.lives()


def test_the_poison_of_a_batch_becomes_a_dead_letter(
    batching: tuple[Worker, Client],
) -> None:
    """The others are decided, its caller is told, and it can be sent again when the fault is mended."""
    worker, client = batching
    log_since = len(worker.log)
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    identity = created(client)
    with poisoned(url, customer=POISON):
        with holding(url, HELD, "Held"):
            keep_busy(worker, client)
            good = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(4)]
            poison = client.send(REDEEM, redemption(voucher=identity, customer=POISON))
            good += [client.send(REDEEM, redemption(voucher=identity)) for _ in range(4)]
            worker.while_it_lives(lambda: gathered(client, 10))
        assert sorted(client.answer(each)["redemptionNumber"] for each in good) == list(range(1, 9))
        outcome = client.outcome(poison)
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    assert POISON not in json.dumps(outcome) + worker.log[log_since:]
    assert rows(url, "SELECT task_id, attempts FROM dead_letters") == [(poison, TRIES)]
    assert rows(url, "SELECT * FROM attempts") == []
    scrip(worker, "dead-letters", "retry", poison)
    worker.while_it_lives(lambda: client.broker.state(poison)["status"] == "SUCCESS")
    assert client.answer(poison)["redemptionNumber"] == 9
    assert rows(url, "SELECT * FROM dead_letters") == []


def kill_what_waits(worker: Worker, client: Client, poison: str) -> None:
    """This function will kill each child that waits for a lock, until the message is given up."""

    def look() -> Json | None:
        for port in waiting_for_locks(worker.environment["DATABASE_URL"]):
            # One that was killed is still waiting in Postgres's eyes for a moment.
            with suppress(psutil.NoSuchProcess):
                child = child_with_port(worker, port)
                if child:
                    child.kill()
        return client.broker.outcome(poison)

    worker.while_it_lives(look)


def test_a_message_that_kills_its_child_is_given_up_and_the_others_are_decided(
    batching: tuple[Worker, Client],
) -> None:
    """The batch comes again in ever smaller groups, until the message is alone."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created(client, name="Held", code="HELD")
    created(client, name="Deadly", code="DEADLY")
    identity = created(client)
    with holding(url, HELD, "Deadly"):
        with holding(url, HELD, "Held"):
            busy = keep_busy(worker, client)
            good = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
            deadly = client.send(REDEEM, redemption(code="DEADLY"))
            good += [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
            worker.while_it_lives(lambda: gathered(client, 12))
        assert client.answer(busy)["outcome"] == "accepted"
        kill_what_waits(worker, client, deadly)
        assert sorted(client.answer(each)["redemptionNumber"] for each in good) == list(range(1, 11))
    outcome = client.outcome(deadly)
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    letters = rows(url, "SELECT task_id, reason, attempts FROM dead_letters")
    assert letters == [(deadly, "WorkerLostError: its process ended", TRIES)]
    assert rows(url, "SELECT * FROM attempts") == []


def test_a_message_that_hangs_is_given_up(database: dict[str, str], tmp_path: Path) -> None:
    """A child that takes too long is killed, and its other messages are decided."""
    variables = with_redis(database, number=HANGING) | {"SCRIP_BATCH_TIME_LIMIT_SECONDS": "2"}
    url = database["DATABASE_URL"]
    with (
        Worker(folder=tmp_path / "hanging", environment=variables, children=1, credit=CREDIT) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        created(client, name="Held", code="HELD")
        identity = created(client)
        with holding(url, HELD, "Held"):
            hanging = client.send(REDEEM, redemption(code="HELD"))
            good = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
            outcome = client.outcome(hanging)
            for each in good:
                assert client.answer(each)["outcome"] == "accepted"
        assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
        assert rows(url, "SELECT reason, attempts FROM dead_letters") == [
            ("TimeLimitExceeded: its process ended", TRIES)
        ]
        worker.settle()


def test_credit_comes_back_whatever_happens(database: dict[str, str], tmp_path: Path) -> None:
    """After messages that were bad, revoked, expired, poison and killed, a worker takes as many as at first."""
    variables = with_redis(database, number=HANGING)
    url = database["DATABASE_URL"]
    credit = 6
    with (
        Worker(folder=tmp_path / "credit", environment=variables, children=1, credit=credit) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        created(client, name="Held", code="HELD")
        identity = created(client)

        def fill() -> list[str]:
            """This function will have the worker take all that it may have, and more than that be there."""
            sent = [client.send(REDEEM, redemption(code="HELD")) for _ in range(2 * credit)]
            worker.while_it_lives(lambda: client.broker.redis.hlen("unacked") == credit)
            worker.while_it_lives(lambda: waiting_for_locks(url))
            assert client.broker.waiting("redemptions") == credit
            return sent

        with holding(url, HELD, "Held"):
            sent = fill()
            revoked = client.send(REDEEM, redemption(voucher=identity))
            assert client.app.control.revoke(revoked, reply=True, timeout=DEADLINE_SECONDS, limit=1)
            worker.children()[0].kill()
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        worker.while_it_lives(lambda: client.broker.state(revoked)["status"] == "REVOKED")
        with poisoned(url, customer=POISON):
            failing = [client.send(REDEEM, redemption(voucher=identity, customer=POISON)), client.send(REDEEM, {})]
            assert [client.outcome(each)["status"] for each in failing] == ["FAILURE"] * 2
        late = client.send(REDEEM, redemption(voucher=identity), expires=-1)
        worker.while_it_lives(lambda: client.broker.state(late)["status"] == "REVOKED")
        worker.settle()
        with holding(url, HELD, "Held"):
            sent = fill()
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        worker.settle()


def test_a_worker_that_is_asked_to_stop_ends_its_batch_and_hands_back_the_rest(
    database: dict[str, str], tmp_path: Path
) -> None:
    """Another one takes it at once."""
    variables = with_redis(database, number=LEAVING)
    url = database["DATABASE_URL"]
    with Client(variables) as client:
        with Worker(folder=tmp_path / "leaving", environment=variables, children=1, credit=CREDIT) as worker:
            worker.wait_ready()
            created(client, name="Held", code="HELD")
            identity = created(client)
            with holding(url, HELD, "Held"):
                busy = keep_busy(worker, client)
                sent = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(50)]
                worker.while_it_lives(lambda: gathered(client, 51))
                worker.process.terminate()
                worker.while_it_lives(lambda: "Warm shutdown" in worker.log)
            assert worker.process.wait(DEADLINE_SECONDS) == 0, worker.log
            assert client.broker.state(busy)["status"] == "SUCCESS"
            assert client.broker.waiting("redemptions") == 50
            assert client.broker.redis.hlen("unacked") == 0
            assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]
        with Worker(folder=tmp_path / "coming", environment=variables, children=1, credit=CREDIT) as worker:
            worker.wait_ready()
            numbers = Counter(client.answer(each)["redemptionNumber"] for each in sent)
            assert numbers == Counter(range(1, 51))
            worker.settle()


def test_what_was_gathered_when_the_connection_broke_comes_again(database: dict[str, str], tmp_path: Path) -> None:
    """The batch at hand is decided once, and so is what nobody had begun."""
    variables = with_redis(database, number=HANGING) | SOON_AGAIN
    url = database["DATABASE_URL"]
    with (
        Worker(folder=tmp_path / "cut", environment=variables, children=1, credit=CREDIT) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        created(client, name="Held", code="HELD")
        identity = created(client)
        with holding(url, HELD, "Held"):
            busy = keep_busy(worker, client)
            sent = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(20)]
            worker.while_it_lives(lambda: gathered(client, 21))
            ready = worker.log.count("Connected to")
            client.broker.redis.client_kill_filter(_type="normal", skipme=True)
            worker.while_it_lives(lambda: worker.log.count("Connected to") > ready)
        assert client.answer(busy)["redemptionNumber"] == 1
        assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 21))
        worker.settle()
        assert rows(url, "SELECT count(*) FROM redemptions") == [(21,)]


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_decide_each_message_by_itself(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """There are no processes to send a batch to."""
    variables = with_redis(database, number=HANGING)
    options = ("--queues", "redemptions,admin", "--pool", pool, "--concurrency", "2", "--without-mingle")
    program = Program("worker", *options, "--loglevel", "INFO", folder=tmp_path / pool, environment=variables)
    with program, Client(variables) as client:
        identity = created(client)
        sent = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
        assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 6))
        assert program.stop() == 0, program.log


def test_a_batch_that_waits_too_long_for_a_lock_is_tried_again(impatient: tuple[Worker, Client]) -> None:
    """Each of its messages says so, and is answered in the end."""
    worker, client = impatient
    url = worker.environment["DATABASE_URL"]
    identity = created(client, name="Held", restrictions={"maximumRedemptions": 5})
    with holding(url, HELD, "Held"):
        sent = [client.send(REDEEM, redemption(voucher=identity)) for _ in range(5)]
        eventually(lambda: all(client.broker.state(each)["status"] == "RETRY" for each in sent))
    assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == [1, 2, 3, 4, 5]
    worker.settle()
