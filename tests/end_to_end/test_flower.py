"""Flower, as a real program beside a real worker, tells the truth about outcomes, queues and sweeps."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher
from tests.end_to_end.flower import Flower, running_flower
from tests.end_to_end.programs import Program, Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import eventually
from worker.queues import QUEUES, UNNAMED_QUEUE

pytestmark = pytest.mark.slow

SHOWN = (*QUEUES, UNNAMED_QUEUE)

REDEEM = "redemptions.redeem"
WATCHED, STARTED_FIRST = 13, 14
# Fewer than the redemptions of a test.
MAX_TASKS = 60
PREFETCH_MULTIPLIER = 500
REFUSED = "refused max_redemptions_reached"
ALL_SIX = "expired 0, maxRedemptionsReached 0, completed 0, codesExpired 0, codesMaxRedemptionsReached 0, holdsLapsed 0"

Watched = tuple[Flower, Worker, Client]


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Run Flower with a small memory and a worker with a large prefetch for a module."""
    variables = with_redis(environment, number=WATCHED)
    folder = tmp_path_factory.mktemp("watched")
    with (
        Worker(folder=folder / "worker", environment=variables, prefetch_multiplier=PREFETCH_MULTIPLIER) as worker,
        running_flower(folder / "flower", variables, f"--max-tasks={MAX_TASKS}") as flower,
        Client(variables) as client,
    ):
        worker.wait_ready()
        eventually(lambda: json.loads(flower.get("/workers?json=1"))["data"])
        yield flower, worker, client


@pytest.fixture
def watched(database: dict[str, str], running: Watched) -> Iterator[Watched]:  # noqa: ARG001 - emptied, then audited
    """Yield them on an empty database. After the test, every message must be acknowledged."""
    yield running
    running[1].wait_until_acknowledged()


def results(flower: Flower, search: str) -> dict[str, str | None]:
    """Return the results of the tasks that a search finds, by their ids."""
    return {each["uuid"]: each["result"] for each in flower.tasks(search)}


def test_a_refusal_is_seen_with_its_reason(watched: Watched) -> None:
    """In the list, in its search, on the page of the task, and in the log of the worker."""
    flower, worker, client = watched
    voucher = created_voucher(client, restrictions={"maximumRedemptions": 2})
    sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
    accepted, refused = set[str](), set[str]()
    for each in sent:
        (accepted if client.answer(each)["outcome"] == "accepted" else refused).add(each)
    eventually(lambda: results(flower, f"result:refused name:{REDEEM}") == dict.fromkeys(refused, REFUSED))
    eventually(lambda: results(flower, f"result:accepted name:{REDEEM}") == dict.fromkeys(accepted, "accepted"))
    one = min(refused)
    assert REFUSED in flower.get(f"/task/{one}")
    line = f"Task {REDEEM}[{one}] succeeded in "
    (logged,) = (each for each in worker.log.splitlines() if line in each)
    assert logged.endswith(f": {REFUSED}")


def test_a_bulk_and_a_sweep_are_seen_with_their_counts(watched: Watched) -> None:
    """By outcome and reason, with no amount, code or id."""
    flower, _, client = watched
    voucher = created_voucher(client)
    created_voucher(client, code="HUSH", restrictions={"maximumRedemptions": 3})
    bulk = client.send("redemptions.redeem_many", {"requests": [*(redemption(code="HUSH") for _ in range(5)), "HUSH"]})
    read = client.send("vouchers.retrieve", {"project": "gigs", "voucher": voucher})
    listed = client.send("vouchers.list", {"project": "gigs", "limit": 1})
    failed = client.send("vouchers.retrieve", {"project": "gigs", "voucher": "HUSH"})
    sweep = client.send("expiry.sweep", {})
    for each in (bulk, read, listed, failed, sweep):
        client.outcome(each)
    eventually(lambda: {failed, sweep} <= {each["uuid"] for each in flower.tasks("state:FAILURE OR result:expired")})
    shown = results(flower, "")
    assert shown[bulk] == "accepted 3, refused max_redemptions_reached 2, invalid 1"
    assert shown[sweep] == ALL_SIX
    assert (shown[read], shown[listed], shown[failed]) == ("read", "items 1", None)
    (failure,) = flower.tasks("state:FAILURE")
    assert failure["exception"].startswith(("InvalidRequest", "NotFound"))
    assert "HUSH" not in json.dumps(flower.tasks())


def test_a_queue_counts_what_a_worker_has_taken(watched: Watched) -> None:
    """The messages behind a locked voucher are in no list of the broker, nor is a message that is not due."""
    flower, _, client = watched
    created_voucher(client, name="Held", code="HELD")
    with holding_voucher(client_url(watched), name="Held"):
        sent = [client.send(REDEEM, redemption(code="HELD")) for _ in range(700)]
        client.send(REDEEM, redemption(code="HELD"), countdown=3)
        eventually(lambda: client.broker.unacknowledged() == 701 and not client.broker.waiting("redemptions"))
        assert flower.queue_lengths() == {**dict.fromkeys(SHOWN, 0), "redemptions": 701}
        messages, unacknowledged, ready, *_ = flower.broker_page()["redemptions"]
        assert (messages, unacknowledged, ready) == ("701", "701", "0")
    client.answer(sent[-1])
    eventually(lambda: flower.queue_lengths() == dict.fromkeys(SHOWN, 0))


def client_url(watched: Watched) -> str:
    """Return the URL of the worker's database."""
    return watched[1].environment["DATABASE_URL"]


def test_redemptions_do_not_push_out_a_sweep(watched: Watched) -> None:
    """Flower's memory holds fewer tasks than there are redemptions."""
    flower, _, client = watched
    voucher = created_voucher(client)
    sweep = client.send("expiry.sweep", {})
    client.answer(sweep)
    sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5 * MAX_TASKS)]
    for each in sent:
        client.answer(each)
    eventually(lambda: results(flower, "").get(sent[-1]) == "accepted")
    assert results(flower, "name:expiry.sweep")[sweep] == ALL_SIX
    counts = Counter(each["name"] for each in flower.tasks())
    assert counts.total() == MAX_TASKS
    assert max(counts, key=lambda name: counts[name]) == REDEEM


def shows_worker(flower: Flower, name: str) -> bool:
    """Return whether Flower has a page of the worker, of which it hears by an event."""
    with suppress(HTTPError):
        return name in flower.get(f"/worker/{quote(name)}")
    return False


def test_the_page_of_the_broker_has_every_queue_after_a_worker_was_looked_at(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Flower starts before the workers, so the worker of that page is the only one that it knows."""
    variables = with_redis(environment, number=STARTED_FIRST)
    with running_flower(tmp_path / "flower", variables) as flower:
        assert set(flower.broker_page()) == set(SHOWN)
        words = ("--queues", "billing", "--hostname", "billing@test", "--concurrency", "1", "--loglevel", "INFO")
        with Program("worker", *words, folder=tmp_path / "billing", environment=variables) as worker:
            eventually(lambda: " ready." in worker.log)
            eventually(lambda: shows_worker(flower, "billing@test"))
            assert set(flower.broker_page()) == set(SHOWN)
            assert set(flower.queue_lengths()) == set(SHOWN)
