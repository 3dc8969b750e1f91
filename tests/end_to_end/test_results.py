"""Callers that do not wait for the answer, and answers that cannot be stored: the effect is the same."""

import socket
from pathlib import Path

from scrip.stack.listener import free_port
from tests.end_to_end.requests import created, voucher
from tests.end_to_end.running import Client, Worker, eventually, rows, with_redis
from tests.support.requests import redemption

# A worker of its own, and nobody else, reads here.
ANSWERLESS = 5
DAY_SECONDS = 86_400


def test_a_caller_that_ignores_the_answer_gets_the_effect(client: Client, url: str) -> None:
    """Nothing is stored for it, and the answer can still be asked for by the request's id."""
    request = redemption(voucher=created(client))
    sent = client.send("redemptions.redeem", request, ignore_result=True)
    eventually(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(1,)])
    reference = {"project": "gigs", "requestId": request["requestId"]}
    assert client.ask("redemptions.retrieve", reference)["redemptionNumber"] == 1
    assert client.broker.state(sent)["status"] == "PENDING"


def test_an_answer_is_kept_for_a_day(client: Client) -> None:
    """That of a message which was decided among others, and that of one which was not."""
    identity = created(client)
    requests = {
        "redemptions.redeem": redemption(voucher=identity),
        "vouchers.retrieve": {"project": "gigs", "voucher": identity},
    }
    for task, request in requests.items():
        sent = client.send(task, request)
        client.answer(sent)
        assert 0 < client.broker.redis.ttl(f"celery-task-meta-{sent}") <= DAY_SECONDS, task


def test_a_result_store_that_is_down_changes_no_effect(database: dict[str, str], tmp_path: Path) -> None:
    """Requests are decided once each, one after the other, and their messages are acknowledged."""
    variables = with_redis(database, number=ANSWERLESS)
    nowhere = {"RESULT_BACKEND_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with Worker(folder=tmp_path / "answerless", environment=variables | nowhere) as worker, Client(variables) as client:
        worker.wait_ready()
        client.send("vouchers.create", voucher(code="SUMMER"))
        url = database["DATABASE_URL"]
        worker.while_it_lives(lambda: rows(url, "SELECT 1 FROM vouchers"))
        for _ in range(3):
            client.send("redemptions.redeem", redemption(code="SUMMER"))
        client.send("redemptions.redeem_many", {"requests": [redemption(code="SUMMER") for _ in range(3)]})
        client.send("redemptions.redeem", {"code": "SUMMER"})
        # Nobody hears that it has expired either.
        client.send("redemptions.redeem", redemption(code="SUMMER"), expires=-1)
        worker.while_it_lives(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(6,)])
        worker.settle()


def test_a_result_store_that_says_nothing_holds_nobody_up(database: dict[str, str], tmp_path: Path) -> None:
    """Whoever sent what is no task is not told, and the next message is decided."""
    variables = with_redis(database, number=ANSWERLESS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = {"RESULT_BACKEND_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"}
        with Worker(folder=tmp_path / "silent", environment=variables | store) as worker, Client(variables) as client:
            worker.wait_ready()
            for _ in range(3):
                client.send("redemptions.redem", {}, queue="redemptions")
            client.send("redemptions.redeem", redemption(code="SUMMER"), ignore_result=True)
            worker.while_it_lives(lambda: rows(database["DATABASE_URL"], "SELECT 1 FROM redemptions"))
            worker.settle()
            assert worker.log.count("nobody is told of dropped messages") == 1
            assert "Traceback" not in worker.log
