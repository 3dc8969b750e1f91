"""`scrip_client` sends to a running worker, and gives its answers and errors back."""

from typing import Any

import pytest

from scrip.stack.listener import free_port
from scrip_client import (
    BadField,
    Client,
    InvalidRequest,
    NoAnswerError,
    NotFound,
    NotSentError,
    RemoteTask,
    RequestFailed,
)
from scrip_client.transport import PUSHED_MAX, _declared
from tests.clients.conftest import ANSWERED, UNREAD, senders_url
from tests.end_to_end.broker import Broker
from tests.support.requests import create_voucher, redemption
from worker.queues import QUEUES, queues


def request(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a redemption of a new customer."""
    own = {"requestId": f"order-{number}", "customer": f"cus_{number}", "subscription": f"sub_{number}"}
    return redemption(**{"code": "SUMMER", **own, **fields})


def pushes(broker: Broker) -> int:
    """Return how often messages were pushed to the server."""
    info: Any = broker.redis.info("commandstats")
    return int(info.get("cmdstat_lpush", {}).get("calls", 0))


def test_a_call_waits_for_the_answer(client: Client):
    """A refusal is an answer. A request is a mapping, or fields by their names, or both."""
    create_voucher(code="SUMMER")
    accepted = client.redemptions.redeem(**request())
    assert (accepted["outcome"], accepted["redemptionNumber"]) == ("accepted", 1)
    assert client.redemptions.redeem(request()) == accepted
    refused = client.redemptions.redeem(request(), requestId="order-2")
    assert (refused["outcome"], refused["reason"]) == ("refused", "already_applied")


def test_a_bad_request_names_its_fields(client: Client):
    """The exception can be imported, and no traceback of the server comes with it."""
    with pytest.raises(InvalidRequest) as caught:
        client.redemptions.redeem(request(), subscription="", customer=7)
    assert [each.field for each in caught.value.errors] == ["customer", "subscription"]
    assert caught.value.errors[0] == BadField("customer", "Input should be a valid string")
    assert isinstance(caught.value, RequestFailed)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_what_does_not_exist_is_not_found(client: Client):
    """The error says what was not found."""
    with pytest.raises(NotFound, match=r"^NotFound: redemption$"):
        client.redemptions.retrieve(project="gigs", requestId="nothing")


def test_a_request_is_sent_and_its_answer_fetched_later(client: Client):
    """The answer can be fetched again, and without an answer nothing is kept."""
    create_voucher(code="SUMMER")
    sent = client.redemptions.redeem.send(request())
    assert sent.answer() == sent.answer()
    assert sent.is_ready()
    client.redemptions.redeem.post(request(2))
    client.redemptions.redeem.post_many([request(3), request(4)])
    numbers = {client.redemptions.redeem(request(each))["redemptionNumber"] for each in (1, 2, 3, 4)}
    assert numbers == {1, 2, 3, 4}


def test_many_requests_are_answered_in_their_order(client: Client):
    """A bad one among them has its exception in its place."""
    create_voucher(code="SUMMER")
    requests = [request(1), request(2, customer=""), request(3)]
    first, bad, last = client.answers(client.redemptions.redeem.send_many(requests), timeout=60)
    assert [each["subscription"] for each in (first, last) if isinstance(each, dict)] == ["sub_1", "sub_3"]
    assert isinstance(bad, InvalidRequest)
    assert [each.field for each in bad.errors] == ["customer"]
    again = client.redemptions.redeem.send(request(1))
    assert client.answers([again, again]) == [first, first]


def test_a_thousand_requests_are_one_round_trip(environment: dict[str, str], unread: Broker):
    """The messages are whole, each with an id of its own."""
    count = PUSHED_MAX + 1
    before = pushes(unread)
    with Client(senders_url(environment, number=UNREAD)) as client:
        sent = client.redemptions.redeem.send_many([request(each) for each in range(count)])
    assert pushes(unread) - before == 2
    assert unread.waiting("redemptions") == len({each.id for each in sent}) == count


def test_a_client_has_a_project_for_requests_that_name_none(client: Client, database: dict[str, str]):
    """A bulk request has a project in each of its items."""
    create_voucher(code="SUMMER", project="acme")
    unnamed = {name: value for name, value in request().items() if name != "project"}
    with Client(senders_url(database, number=ANSWERED), project="acme", timeout=60) as of_acme:
        assert of_acme.redemptions.redeem(unnamed)["project"] == "acme"
        (sent,) = of_acme.redemptions.redeem.send_many([unnamed])
        assert sent.answer()["project"] == "acme"
        assert of_acme.redemptions.redeem(request(), project="gigs")["reason"] == "voucher_not_found"
        (item,) = of_acme.redemptions.redeem_many(requests=[unnamed])["items"]
        assert [each["field"] for each in item["errors"]] == ["project"]
    with pytest.raises(InvalidRequest):
        client.redemptions.redeem(unnamed)


def test_no_answer_in_time_is_an_error(environment: dict[str, str], unread: Broker):
    """The request waits in its queue, and may still be decided."""
    with Client(senders_url(environment, number=UNREAD), timeout=0.05) as client:
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.05 s"):
            client.redemptions.redeem(request())
        with pytest.raises(TimeoutError):
            client.billing.retrieve(project="gigs", invoice="inv_1", timeout=0)
        sent = client.redemptions.redeem.send(request(2))
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.05 s"):
            client.answers([sent, sent])
    assert (unread.waiting("redemptions"), unread.waiting("billing")) == (2, 1)


@pytest.mark.parametrize("many", [False, True])
def test_a_broker_that_is_away_is_an_error(many: bool):
    """The caller knows that the request may not have been sent."""
    settings = {"task_publish_retry_policy": {"max_retries": 0}}
    with Client(f"redis://127.0.0.1:{free_port()}/0", settings=settings) as client, pytest.raises(NotSentError):
        client.redemptions.redeem.send_many([request()]) if many else client.redemptions.redeem.send(request())


def test_a_misspelt_task_is_no_attribute(client: Client):
    """Every task of the contract is one, with its queue, as tests/architecture compares."""
    assert isinstance(client.polar.discounts.create, RemoteTask)
    assert (client.discounts.import_.name, client.discounts.import_.queue) == ("discounts.import", "admin")
    assert not hasattr(client.redemptions, "redem")


def test_queues_are_declared_as_the_workers_declare_them():
    """RabbitMQ refuses another declaration."""
    for url, is_rabbitmq in (("amqp://", True), ("redis://", False)):
        theirs = {each.name: each.as_dict() for each in queues(broker_url=url)}
        for name in QUEUES:
            assert _declared(name, is_rabbitmq=is_rabbitmq).as_dict() == theirs[name]
