"""Flower answers a closed set of routes, nearly all only with the password, and changes nothing."""

import json
from collections.abc import Iterator

import flower.urls
import pytest
from tornado.web import url as named_route

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.flower import Flower, running_flower
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

CLOSELY_WATCHED = 15
CODE, CARD = "CANARY-CODE", "CANARY-CARD"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# A page of the list needs parameters.
LIST_PARAMETERS = "?draw=1&start=0&length=10&order[0][column]=0"
# The routes of Flower 2.2 that answer, by method. All others are answered as unknown.
SHOWN = {
    ("GET", "/"), ("GET", "/workers"), ("GET", "/worker/{worker}"), ("GET", "/task/{task}"), ("GET", "/tasks"),
    ("GET", "/tasks/datatable"), ("POST", "/tasks/datatable"), ("GET", "/broker"), ("GET", "/api/workers"),
    ("GET", "/api/tasks"), ("GET", "/api/task/types"), ("GET", "/api/queues/length"), ("GET", "/api/task/info/{task}"),
}  # fmt: skip
# Probes ask without a password. The static files are Flower's own.
OPEN = {
    ("GET", "/healthcheck"), ("GET", "/static/css/flower.css"), ("HEAD", "/static/css/flower.css"),
}  # fmt: skip
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 401, 403, 404, 405
# Patterns that a program cannot fill in by itself.
EXAMPLES = {
    "/worker/(.+)": "/worker/{worker}",
    "/login/?": "/login",
    "/static/(.*)": "/static/css/flower.css",
    ".*": "/unheard-of",
}


def paths() -> list[str]:
    """Return a path for each route in Flower's own map, with `{worker}` and `{task}` to be filled in."""
    patterns = (each.regex.pattern.rstrip("$") if isinstance(each, named_route) else each[0] for each in MAP)
    return list(dict.fromkeys(EXAMPLES.get(each, each.replace("(.+)", "{task}").replace("(.*)", "{task}"))
                              for each in patterns))  # fmt: skip


MAP = tuple(flower.urls.handlers)


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flower, Client]]:
    """Run Flower beside a worker for a module."""
    variables = with_redis(environment, number=CLOSELY_WATCHED)
    folder = tmp_path_factory.mktemp("routes")
    with (
        Worker(folder=folder / "worker", environment=variables) as worker,
        running_flower(folder / "flower", variables) as watching,
        Client(variables) as client,
    ):
        worker.wait_ready()
        eventually(lambda: json.loads(watching.get("/workers?json=1"))["data"])
        yield watching, client
        worker.wait_until_acknowledged()


def redeemed(client: Client) -> str:
    """Redeem a code, and return the id of the task, whose answer has the code and the metadata."""
    created_voucher(client, code=CODE, metadata={"card": CARD})
    task = client.send("redemptions.redeem", redemption(code=CODE))
    assert client.answer(task)["outcome"] == "accepted"
    return task


def test_every_route_that_flower_has_shows_no_answer_and_changes_nothing(
    database: dict[str, str],  # noqa: ARG001 - emptied, then audited
    running: tuple[Flower, Client],
) -> None:
    """With the password, without it, and by every method."""
    watching, client = running
    task = redeemed(client)
    eventually(lambda: any(each["uuid"] == task and each["state"] == "SUCCESS" for each in watching.tasks()))
    (worker,) = (each["hostname"] for each in json.loads(watching.get("/workers?json=1"))["data"])
    answered, open_to_all = set[tuple[str, str]](), set[tuple[str, str]]()
    for path in paths():
        address = path.format(worker=worker, task=task) + (LIST_PARAMETERS if path == "/tasks/datatable" else "")
        for method in METHODS:
            status, text = watching.ask(address, method=method)
            assert status in {200, FORBIDDEN, NOT_FOUND, NOT_ALLOWED}, (method, path, status, text)
            assert not [each for each in (CODE, CODE.lower(), CARD) if each in text], (method, path, text)
            if status == 200:
                answered.add((method, path))
            status, text = watching.ask(address, method=method, password=False)
            assert status in {200, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED}, (method, path, status, text)
            assert task not in text
            if status == 200:
                open_to_all.add((method, path))
    assert answered == SHOWN | OPEN
    assert open_to_all == OPEN


def test_what_a_sender_announces_of_its_request_is_not_kept(
    database: dict[str, str],  # noqa: ARG001 - emptied, then audited
    running: tuple[Flower, Client],
) -> None:
    """Celery's senders can announce whole requests, and other workers whole answers: the API showed them."""
    watching, client = running
    announced = {"uuid": "announced", "name": "redemptions.redeem", "kwargs": f"{{'request': {{'code': '{CODE}'}}}}"}
    with client.app.events.default_dispatcher() as dispatcher:
        dispatcher.send("task-sent", **announced, args=f"('{CODE}',)")
        dispatcher.send("task-received", **announced, args=f"('{CODE}',)")
        dispatcher.send("task-succeeded", uuid="announced", result=f"{{'code': '{CODE}'}}", runtime=0.1)
    eventually(lambda: any(each["uuid"] == "announced" for each in watching.tasks("state:SUCCESS")))
    for path in ("/api/tasks", "/api/task/info/announced", "/task/announced", f"/api/tasks?search=kwargs:{CODE}"):
        assert CODE not in watching.ask(path)[1].replace(path, ""), path
    assert watching.tasks(f"kwargs:{CODE}") == watching.tasks(f"result:{CODE}") == []
