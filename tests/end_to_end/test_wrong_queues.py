"""A message in the queue of other tasks fails at once, by an error that names the right queue."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import REDEEM, busy_child
from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts, rows
from tests.end_to_end.programs import Worker
from tests.end_to_end.raw_messages import put_envelope
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption

# A database of Valkey for the workers with other pools.
OTHER_POOLS = 14
RIGHT = {"exc_type": "WrongQueue", "exc_module": "tasks.wire.errors"}


@pytest.mark.parametrize(
    ("task", "queue", "right"),
    [
        (REDEEM, "sweeps", "redemptions"),
        ("redemptions.reserve", "billing", "redemptions"),
        ("billing.apply", "admin", "billing"),
        ("redemptions.retrieve", "admin", "redemptions"),
        ("vouchers.create", "redemptions", "admin"),
        ("expiry.sweep", "billing", "sweeps"),
    ],
)
def test_a_task_in_a_wrong_queue_fails_by_the_name_of_the_right_one(
    client: Client, worker: Worker, task: str, queue: str, right: str
) -> None:
    """Whatever its request is. Nothing is written or tried again, and the message is gone."""
    since = len(worker.log)
    sent = client.send(task, {"project": "gigs"}, queue=queue)
    outcome = client.outcome(sent)
    assert outcome["status"] == "FAILURE"
    text = f"{task} came by the queue {queue}, and nothing was done: send it to {right}"
    assert outcome["result"] == RIGHT | {"exc_message": [text]}
    worker.wait_until_acknowledged()
    assert "is tried again" not in worker.log[since:]
    url = worker.environment["DATABASE_URL"]
    assert row_counts(url) == {}
    assert rows(url, "SELECT * FROM dead_letters") == rows(url, "SELECT * FROM attempts") == []
    assert text in worker.log[since:]


@pytest.mark.parametrize("options", [{"countdown": 3_600}, {"expires": 3_600}, {"time_limit": 60}])
def test_it_does_not_wait_until_it_is_due(client: Client, worker: Worker, options: dict[str, float]) -> None:
    """The sender learns of the mistake when it makes it."""
    outcome = client.outcome(client.send(REDEEM, redemption(code="NONE"), queue="sweeps", **options))
    assert outcome["result"]["exc_type"] == "WrongQueue"
    worker.wait_until_acknowledged()


def test_a_redelivered_message_fails_too(client: Client, worker: Worker) -> None:
    """Its worker has died, perhaps several times, and it becomes no dead letter."""
    task_id = str(uuid4())
    delivered = {"exchange": "", "routing_key": "sweeps", "redelivered": True}
    put_envelope(client, {"headers": {"id": task_id}, "delivery_info": delivered}, queue="sweeps")
    assert client.outcome(task_id)["result"]["exc_type"] == "WrongQueue"
    url = worker.environment["DATABASE_URL"]
    assert rows(url, "SELECT * FROM dead_letters") == rows(url, "SELECT * FROM attempts") == []


def test_the_messages_beside_it_are_decided(batching: tuple[Worker, Client]) -> None:
    """It is in one batch with messages that came by the right queue."""
    worker, client = batching
    voucher = created_voucher(client)
    with busy_child(worker, client):
        queues = ("redemptions", "sweeps", "celery") * 5
        sent = [client.send(REDEEM, redemption(voucher=voucher), queue=queue) for queue in queues]
        worker.eventually(lambda: client.broker.unacknowledged() == len(sent) + 1)
    outcomes = [client.outcome(each) for each in sent]
    assert [each["status"] for each in outcomes] == ["SUCCESS", "FAILURE", "SUCCESS"] * 5
    assert {each["result"]["exc_type"] for each in outcomes[1::3]} == {"WrongQueue"}
    assert rows(worker.environment["DATABASE_URL"], "SELECT redemptions FROM vouchers WHERE name <> 'Held'") == [(10,)]


@pytest.mark.parametrize(
    ("queue", "said", "status"), [("sweeps", "redemptions", "FAILURE"), ("redemptions", "sweeps", "SUCCESS")]
)
def test_the_queue_counts_and_not_what_the_sender_says_of_it(
    client: Client, worker: Worker, queue: str, said: str, status: str
) -> None:
    """Clients in other languages write any exchange and any routing key."""
    task_id, voucher = str(uuid4()), created_voucher(client)
    envelope = {
        "body": json.dumps([[], {"request": redemption(voucher=voucher)}, {}]),
        "headers": {"id": task_id},
        "delivery_info": {"exchange": "celery", "routing_key": said},
    }
    put_envelope(client, envelope, queue=queue)
    assert worker.eventually(lambda: client.broker.outcome(task_id))["status"] == status


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_tell_it_too(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """There Celery itself runs each message. One that came by Celery's default is answered."""
    variables = with_redis(database, number=OTHER_POOLS)
    with Worker(folder=tmp_path / pool, environment=variables, pool=pool) as worker, Client(variables) as client:
        worker.wait_ready()
        wrong, right = (client.send(REDEEM, redemption(code="NONE"), queue=queue) for queue in ("sweeps", "celery"))
        assert client.outcome(wrong)["result"]["exc_type"] == "WrongQueue"
        assert client.answer(right)["reason"] == "voucher_not_found"
        worker.wait_until_acknowledged()
