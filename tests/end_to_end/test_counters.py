"""Real workers count: over several children the counts add up to exactly the messages that were sent."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, rows, waiting_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.metrics.counting import counts_in
from tests.metrics.exporter import running_exporter
from tests.support.requests import redemption

pytestmark = pytest.mark.slow

# Databases of Valkey for the workers that count, and for one that cannot.
COUNTING, NOT_COUNTING = 8, 13
REDEEM, REDEEM_MANY = "redemptions.redeem", "redemptions.redeem_many"
CHILDREN = 4


class Counts:
    """What a worker has counted since the beginning of a test."""

    def __init__(self, folder: Path) -> None:
        """Remember the counts until now."""
        self.folder = folder
        self.before = counts_in(folder)

    def __getitem__(self, sample: tuple[str, ...]) -> float:
        """Return a count by the name of its sample and the values of its labels."""
        return counts_in(self.folder).get(sample, 0) - self.before.get(sample, 0)

    def answers(self) -> Counter[tuple[str, ...]]:
        """Return the number of answers by outcome, reason and task."""
        names = {sample for sample in counts_in(self.folder) if sample[0] == "scrip_answers_total"}
        return Counter(
            {
                labels: int(number)
                for name, *rest in names
                if (labels := tuple(rest)) and (number := self[name, *labels])
            }
        )


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Client]]:
    """Run a worker with four children that counts for the module, and yield worker and client."""
    folder = tmp_path_factory.mktemp("counting")
    variables = with_redis(environment, number=COUNTING) | {
        "SCRIP_METRICS_FOLDER": str(folder / "metrics"),
        "SCRIP_LOCK_TIMEOUT_SECONDS": "1",
    }
    worker = Worker(folder=folder, environment=variables, children=CHILDREN)
    with worker, Client(variables) as client:
        yield worker.wait_ready(), client


@pytest.fixture
def counting(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client, Counts]]:
    """Yield the worker on an empty database, the client, and the counts. Every message is acknowledged afterwards."""
    worker, client = running
    yield worker, client, Counts(Path(worker.environment["SCRIP_METRICS_FOLDER"]))
    worker.wait_until_acknowledged()


def test_the_counts_of_several_children_add_up_to_the_messages(counting: tuple[Worker, Client, Counts]) -> None:
    """Accepted, refused, invalid, bulk, in a wrong queue and unknown: each counts once."""
    worker, client, counts = counting
    voucher = created_voucher(client, restrictions={"maximumRedemptions": 250})
    sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(300)]
    invalid = [client.send(REDEEM, redemption(voucher=voucher, customer=None)) for _ in range(7)]
    many = client.send(REDEEM_MANY, {"requests": [redemption(voucher=voucher) for _ in range(20)]})
    wrong = client.app.send_task(REDEEM, kwargs={"request": redemption(voucher=voucher)}, queue="billing").id
    client.app.send_task("redemptions.unheard", queue="redemptions")
    reasons = Counter(client.answer(each)["reason"] for each in sent)
    reasons_of_many = Counter(each["reason"] for each in client.answer(many)["items"])
    for each in (*invalid, wrong):
        assert client.outcome(each)["status"] == "FAILURE"
    worker.wait_until_acknowledged()
    refused = "max_redemptions_reached"
    assert reasons[None] + reasons_of_many[None] == 250
    assert counts.answers() == Counter({
        ("done", "", "vouchers.create"): 1,
        ("accepted", "", REDEEM): reasons[None],
        ("refused", refused, REDEEM): reasons[refused],
        ("failed", "InvalidRequest", REDEEM): 7,
        ("failed", "WrongQueue", REDEEM): 1,
        ("accepted", "", REDEEM_MANY): reasons_of_many[None],
        ("refused", refused, REDEEM_MANY): reasons_of_many[refused],
    })  # fmt: skip
    assert counts["scrip_batch_messages_sum", REDEEM] == 300 + 7 + 1
    assert counts["scrip_batch_seconds_count", REDEEM] == counts["scrip_batch_messages_count", REDEEM]
    assert counts["scrip_messages_dropped_total", "unknown_task"] == 1
    assert counts["scrip_connection_wait_seconds_sum",] > 0


def test_a_killed_child_takes_no_count_with_it_and_its_messages_count_once(
    counting: tuple[Worker, Client, Counts],
) -> None:
    """The child is killed before its COMMIT, and another answers."""
    worker, client, counts = counting
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client, name="Held")
    before = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(10)]
    assert all(client.answer(each)["outcome"] == "accepted" for each in before)
    with holding_voucher(url, name="Held"):
        sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(10)]
        (port, *_) = worker.eventually(lambda: waiting_for_locks(url))
        child = worker.child_with_port(port)
        assert child
        child.kill()
        worker.eventually(lambda: counts["scrip_retries_total", "child_lost", REDEEM])
    assert all(client.answer(each)["outcome"] == "accepted" for each in sent)
    worker.wait_until_acknowledged()
    assert counts.answers()["accepted", "", REDEEM] == 20
    assert rows(url, "SELECT redemptions FROM vouchers") == [(20,)]


def test_a_message_that_waits_too_long_for_a_lock_counts_as_a_retry(
    counting: tuple[Worker, Client, Counts],
) -> None:
    """By the cause that PostgreSQL gave."""
    worker, client, counts = counting
    voucher = created_voucher(client, name="Held")
    with holding_voucher(worker.environment["DATABASE_URL"], name="Held"):
        sent = client.send(REDEEM, redemption(voucher=voucher))
        worker.eventually(lambda: counts["scrip_retries_total", "lock_timeout", REDEEM])
    assert client.answer(sent)["outcome"] == "accepted"
    worker.wait_until_acknowledged()


def test_a_message_that_has_expired_counts(counting: tuple[Worker, Client, Counts]) -> None:
    """It did not run."""
    worker, client, counts = counting
    voucher = created_voucher(client)
    client.send(REDEEM, redemption(voucher=voucher), expires=-1)
    worker.eventually(lambda: counts.answers()["expired", "", REDEEM] == 1)
    assert not rows(worker.environment["DATABASE_URL"], "SELECT 1 FROM redemptions")


def test_a_worker_that_was_killed_goes_on_counting(counting: tuple[Worker, Client, Counts]) -> None:
    """In the same files: no total falls."""
    worker, client, counts = counting
    voucher = created_voucher(client)
    for number in (1, 2):
        assert client.ask(REDEEM, redemption(voucher=voucher))["redemptionNumber"] == number
        worker.wait_until_acknowledged()
        assert counts.answers()["accepted", "", REDEEM] == number
        if number == 1:
            worker.kill()
            worker.log_file.unlink()
            worker.__enter__()
            worker.wait_ready()
    assert len(list(counts.folder.glob("*.lock"))) == 1


def test_a_worker_works_without_a_folder_that_it_can_use(database: dict[str, str], tmp_path: Path) -> None:
    """Its log says so."""
    (tmp_path / "file").touch()
    variables = with_redis(database, number=NOT_COUNTING) | {"SCRIP_METRICS_FOLDER": str(tmp_path / "file")}
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, Client(variables) as client:
        voucher = created_voucher(client)
        assert client.ask(REDEEM, redemption(voucher=voucher))["outcome"] == "accepted"
        worker.wait_until_acknowledged()
        assert "nothing is counted, because SCRIP_METRICS_FOLDER cannot be used" in worker.log


def test_an_exporter_tells_of_messages_that_wait_for_a_locked_voucher(counting: tuple[Worker, Client, Counts]) -> None:
    """They are taken, and get older until they are answered; then they are among the answers."""
    worker, client, counts = counting
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client, name="Held")
    with running_exporter(worker.environment) as exporter:

        def told(*sample: str) -> float:
            return exporter.samples()[sample]

        with holding_voucher(url, name="Held"):
            sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(20)]
            worker.eventually(lambda: told("scrip_queue_oldest_age_seconds", "redemptions") > 1)
            samples = exporter.samples()
            states = ("ready", "taken", "waiting")
            assert sum(samples["scrip_queue_messages", "redemptions", state] for state in states) == len(sent)
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        worker.wait_until_acknowledged()
        worker.eventually(lambda: not told("scrip_queue_oldest_age_seconds", "redemptions"))
        assert told("scrip_answers_total", "accepted", "", REDEEM) >= len(sent)
        assert counts.answers()["accepted", "", REDEEM] == len(sent)
