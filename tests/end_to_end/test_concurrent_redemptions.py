"""More concurrent callers than a voucher has places: every place is taken, and no caller is refused before that."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_vouchers, rows, waiting_for_locks
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption, voucher_body
from tests.support.tasks import task_named
from tests.support.waiting import eventually
from worker.database import engine

CALLERS = 64
LIMIT = 10
HELD = "SELECT 1 FROM vouchers FOR UPDATE"


def assert_filled(answers: Sequence[Json], *, url: str) -> None:
    """Check that exactly `LIMIT` requests were accepted, and that the others were refused because of the limit."""
    assert Counter(answer["reason"] for answer in answers) == {
        None: LIMIT,
        "max_redemptions_reached": CALLERS - LIMIT,
    }
    accepted = [answer["redemptionNumber"] for answer in answers if answer["outcome"] == "accepted"]
    assert sorted(accepted) == list(range(1, LIMIT + 1))
    filled = "SELECT redemptions, retired_reason FROM vouchers"
    assert rows(url, filled) == [(LIMIT, "maxRedemptionsReached")]


def in_threads(call: Callable[[Json], Any], requests: Sequence[Json]) -> list[Any]:
    """Call the function with all requests at the same moment, each in a thread of its own."""
    start = Barrier(len(requests))

    def wait_and_call(request: Json) -> Any:
        start.wait()
        return call(request)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(wait_and_call, requests))


@pytest.fixture
def limited(database: dict[str, str]) -> str:
    """Return the id of a voucher that may be redeemed ten times."""
    assert database
    answer: Json = task_named("vouchers.create")(request=voucher_body(restrictions={"maximumRedemptions": LIMIT}))
    voucher_id: str = answer["id"]
    return voucher_id


def test_sixty_four_callers_through_the_broker(client: Client, url: str) -> None:
    """Both children decide requests for the same voucher at every moment."""
    voucher_id = created_voucher(client, restrictions={"maximumRedemptions": LIMIT})
    with holding_vouchers(url):
        sent = [client.send("redemptions.redeem", redemption(voucher=voucher_id)) for _ in range(CALLERS)]
        eventually(lambda: len(waiting_for_locks(url)) == 2)
    assert_filled([client.answer(each) for each in sent], url=url)


def test_sixty_four_callers_in_batches_through_the_broker(client: Client, url: str) -> None:
    """A batch counts the places taken by its own requests, and the next batch counts them too."""
    voucher_id = created_voucher(client, restrictions={"maximumRedemptions": LIMIT})
    with holding_vouchers(url):
        batches = [{"requests": [redemption(voucher=voucher_id) for _ in range(CALLERS // 16)]} for _ in range(16)]
        sent = [client.send("redemptions.redeem_many", batch) for batch in batches]
        eventually(lambda: len(waiting_for_locks(url)) == 2)
    assert_filled([item for each in sent for item in client.answer(each)["items"]], url=url)


def test_sixty_four_threads_that_call_the_task_as_a_function(limited: str, database: dict[str, str]) -> None:
    """Another caller of the use case, such as an HTTP API, needs no broker."""

    def redeem(request: Json) -> Json:
        answer: Json = task_named("redemptions.redeem")(request=request)
        return answer

    answers = in_threads(redeem, [redemption(voucher=limited) for _ in range(CALLERS)])
    engine().dispose()
    assert_filled(answers, url=database["DATABASE_URL"])


@pytest.mark.slow
def test_sixty_four_transactions_that_all_wait_for_the_voucher(limited: str, database: dict[str, str]) -> None:
    """Each has a connection of its own, and all wait before the first of them decides."""
    url = database["DATABASE_URL"]
    connections = create_engine(engine().url, poolclass=NullPool, connect_args={"application_name": "scrip"})

    def redeem(request: Json) -> Json:
        with Session(connections) as session, session.begin():
            return redeem_all(session, [Redeem.model_validate(request)])[0]

    with ThreadPoolExecutor(CALLERS) as pool:
        with holding_vouchers(url):
            calls = [pool.submit(redeem, redemption(voucher=limited)) for _ in range(CALLERS)]
            eventually(lambda: len(waiting_for_locks(url)) == CALLERS)
        answers = [call.result() for call in calls]
    assert_filled(answers, url=url)


def test_one_customer_in_many_requests_at_once_gets_what_the_voucher_allows(client: Client, url: str) -> None:
    """The limit for each customer holds as the limit of the voucher does."""
    voucher_id = created_voucher(client, restrictions={"maximumRedemptionsPerCustomer": 3})
    with holding_vouchers(url):
        requests = [redemption(voucher=voucher_id, customer="cus_1") for _ in range(16)]
        sent = [client.send("redemptions.redeem", request) for request in requests]
        eventually(lambda: len(waiting_for_locks(url)) == 2)
    reasons = Counter(client.answer(each)["reason"] for each in sent)
    assert reasons == {None: 3, "customer_limit_reached": 13}


def test_one_subscription_with_many_vouchers_at_once_runs_twenty(client: Client, url: str) -> None:
    """The limit of a subscription holds across vouchers, although each voucher has a lock of its own."""
    voucher_ids = [created_voucher(client) for _ in range(24)]
    with holding_vouchers(url):
        requests = [redemption(voucher=voucher_id, subscription="sub_1") for voucher_id in voucher_ids]
        sent = [client.send("redemptions.redeem", request) for request in requests]
        eventually(lambda: len(waiting_for_locks(url)) == 2)
    reasons = Counter(client.answer(each)["reason"] for each in sent)
    assert reasons == {None: 20, "discount_limit_reached": 4}


def test_one_subscription_and_one_voucher_at_once_get_one_discount(client: Client, url: str) -> None:
    """The other requests are refused: the voucher is already running on the subscription."""
    voucher_id = created_voucher(client)
    with holding_vouchers(url):
        requests = [redemption(voucher=voucher_id, subscription="sub_1") for _ in range(8)]
        sent = [client.send("redemptions.redeem", request) for request in requests]
        eventually(lambda: len(waiting_for_locks(url)) == 2)
    assert Counter(client.answer(each)["reason"] for each in sent) == {None: 1, "already_applied": 7}
