"""The effect is the same if the caller ignores the answer, or if the answer cannot be stored."""

import socket
from pathlib import Path

import pytest

from scrip.stack.listener import free_port
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption, voucher_body
from tests.support.waiting import eventually

# A database of Valkey for the workers of these tests.
ANSWERLESS = 5
HOUR_SECONDS = 3_600


def test_a_caller_that_ignores_the_answer_gets_the_effect(client: Client, url: str) -> None:
    """No result is stored. The answer can still be retrieved by the request's id."""
    request = redemption(voucher=created_voucher(client))
    sent = client.send("redemptions.redeem", request, ignore_result=True)
    eventually(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(1,)])
    reference = {"project": "gigs", "requestId": request["requestId"]}
    assert client.ask("redemptions.retrieve", reference)["redemptionNumber"] == 1
    assert client.broker.state(sent)["status"] == "PENDING"


def test_an_answer_is_kept_for_an_hour(client: Client) -> None:
    """The answers of a gathered task and of another task."""
    voucher_id = created_voucher(client)
    requests = {
        "redemptions.redeem": redemption(voucher=voucher_id),
        "vouchers.retrieve": {"project": "gigs", "voucher": voucher_id},
    }
    for task, request in requests.items():
        sent = client.send(task, request)
        client.answer(sent)
        assert 0 < client.broker.redis.ttl(f"celery-task-meta-{sent}") <= HOUR_SECONDS, task


@pytest.mark.slow
def test_a_result_store_that_is_down_changes_no_effect(database: dict[str, str], tmp_path: Path) -> None:
    """Each request is decided once, and each message is acknowledged."""
    variables = with_redis(database, number=ANSWERLESS)
    nowhere = {"RESULT_BACKEND_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with Worker(folder=tmp_path / "answerless", environment=variables | nowhere) as worker, Client(variables) as client:
        worker.wait_ready()
        client.send("vouchers.create", voucher_body(code="SUMMER"))
        url = database["DATABASE_URL"]
        worker.eventually(lambda: rows(url, "SELECT 1 FROM vouchers"))
        for _ in range(3):
            client.send("redemptions.redeem", redemption(code="SUMMER"))
        client.send("redemptions.redeem_many", {"requests": [redemption(code="SUMMER") for _ in range(3)]})
        client.send("redemptions.redeem", {"code": "SUMMER"})
        # Celery cannot store that this message has expired.
        client.send("redemptions.redeem", redemption(code="SUMMER"), expires=-1)
        worker.eventually(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(6,)])
        worker.wait_until_acknowledged()


@pytest.mark.slow
def test_a_result_store_that_does_not_answer_delays_no_message(database: dict[str, str], tmp_path: Path) -> None:
    """The callers of dropped messages are not told, and the next message is decided."""
    variables = with_redis(database, number=ANSWERLESS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = {"RESULT_BACKEND_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"}
        with Worker(folder=tmp_path / "silent", environment=variables | store) as worker, Client(variables) as client:
            worker.wait_ready()
            for _ in range(3):
                client.send("redemptions.redem", {}, queue="redemptions")
            client.send("redemptions.redeem", redemption(code="SUMMER"), ignore_result=True)
            worker.eventually(lambda: rows(database["DATABASE_URL"], "SELECT 1 FROM redemptions"))
            worker.wait_until_acknowledged()
            assert worker.log.count("nobody is told of dropped messages") == 1
            assert "Traceback" not in worker.log
