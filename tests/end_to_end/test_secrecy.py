"""A worker shows only the callers' ids of its tasks: in the log, in events, and under `celery inspect`."""

import json
from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from kombu import Connection
from uuid_utils.compat import uuid7

from tasks.celery import app
from tests.contract.page import IDENTITY, Identities, steps
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_vouchers, wait_for_locks
from tests.end_to_end.events import events_of, receiving_events
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.administrator import empty_broker
from tests.support.requests import invoice, redemption, voucher_body
from tests.support.waiting import DEADLINE_SECONDS, eventually

# A database of Valkey from which no worker reads.
UNREAD = 8
CODE, CARD = "HUSH-CODE-5e1d", "4111-1111"
SUBTOTAL, PRODUCT, LINE = 31_337_007, "HUSH-PRODUCT", "HUSH-LINE"
SECRETS = (CODE, CODE.lower(), CARD, str(SUBTOTAL), PRODUCT, LINE)
UNKNOWN_VOUCHER = uuid7()


def secrets_in(text: str) -> list[str]:
    """Return the secrets that the text contains."""
    return [secret for secret in SECRETS if secret in text]


def all_tasks() -> list[tuple[str, Any]]:
    """Return tasks with their requests, which contain a secret in every possible place."""
    restrictions = {"products": [PRODUCT], "minimumSubtotal": {"amount": SUBTOTAL, "currency": "USD"}}
    purchase = {"code": CODE, "products": [PRODUCT], "currency": "USD", "subtotal": SUBTOTAL}
    billed = {"lines": [{"id": LINE, "amount": SUBTOTAL, "product": PRODUCT}]}
    accepted = redemption(**purchase, subscription="sub_1")
    return [
        ("vouchers.create", voucher_body(code=CODE, metadata={"card": CARD}, restrictions=restrictions)),
        ("vouchers.create", voucher_body(code=CODE)),
        ("redemptions.redeem", accepted),
        ("redemptions.redeem", accepted | {"currency": "EUR"}),
        ("redemptions.redeem", accepted | {"customer": None}),
        ("redemptions.redeem_many", {"requests": [redemption(**purchase), {"code": CODE}, CODE]}),
        ("redemptions.retrieve", {"project": "gigs", "requestId": accepted["requestId"]}),
        ("redemptions.retrieve", {"project": "gigs", "requestId": "none"}),
        ("billing.apply", invoice(subscription="sub_1", **billed)),
        ("billing.apply_many", {"invoices": [invoice(subscription="sub_1", **billed), {"lines": [LINE]}]}),
        ("vouchers.retrieve", {"project": "gigs", "voucher": CODE}),
        *catalogue_tasks(),
    ]


def catalogue_tasks() -> list[tuple[str, Any]]:
    """Return tasks about vouchers, codes and usage, and tasks in the formats of other systems, with their requests."""
    polar = {"name": "Ten", "type": "percentage", "duration": "once", "basis_points": 1000, "organization_id": "gigs"}
    coupon = {"id": CODE, "object": "coupon", "duration": "once", "amount_off": SUBTOTAL, "currency": "usd"}
    reference = {"project": "gigs", "voucher": str(UNKNOWN_VOUCHER)}
    return [
        ("vouchers.update", reference | {"code": CODE, "metadata": {"card": CARD}}),
        ("vouchers.list", {"project": "gigs", "code": CODE}),
        ("vouchers.add_codes", reference | {"codes": [{"code": CODE, "customer": CARD}, CODE]}),
        ("vouchers.generate_codes", reference | {"prefix": CODE, "count": 1}),
        ("codes.list", reference | {"after": CODE}),
        ("codes.retire", {"project": "gigs", "code": CODE}),
        (
            "usages.record",
            reference | {"customer": "cus_1", "ref": "receipt", "amount": SUBTOTAL, "products": [PRODUCT]},
        ),
        ("usages.list", reference | {"startingAfter": CODE}),
        ("gigs.vouchers.create", voucher_body(code=CODE)),
        ("gigs.vouchers.list", {"project": "gigs", "code": CODE}),
        ("polar.discounts.create", polar | {"code": CODE, "products": [PRODUCT]}),
        ("polar.discounts.update", {"organization_id": "gigs", "id": CODE, "code": CODE}),
        ("dintero.discounts.usages", {"aid": "gigs", "did": CODE}),
        ("stripe.coupons.import", {"project": "gigs", "coupon": coupon}),
        ("stripe.promotion_codes.import", {"project": "gigs", "promotion_code": {"code": CODE, "coupon": coupon}}),
    ]


def test_log_and_events_show_ids_only(client: Client, worker: Worker, log_since: int) -> None:
    """Whether a task succeeds, refuses or fails."""
    sent = all_tasks()
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        ids = []
        for task, request in sent:
            ids.append(client.send(task, request))
            client.outcome(ids[-1])
        events = events_of(receive, *ids)
    received = [each for each in events if each["type"] == "task-received"]
    assert [each["name"] for each in received] == [task for task, _ in sent]
    assert all("'project': 'gigs'" in each["kwargs"] for each in received if each["name"] != "redemptions.redeem_many")
    assert {each["type"]: found for each in events if (found := secrets_in(json.dumps(each)))} == {}
    assert secrets_in(worker.log[log_since:]) == []


# Of every kind of value that a caller chooses, also those that events and Flower show to find a request.
PLANTED_TEXTS = {
    "project", "requestId", "request_id", "organization_id", "aid", "customer", "subscription", "invoice", "code",
    "codes", "prefix", "name", "actor", "ref", "product", "products", "excludedProducts", "id", "metadata",
    "card", "order", "coupon",
}  # fmt: skip
PLANTED_NUMBERS = {
    "amount",
    "subtotal",
    "amount_off",
    "priceDiscountAmount",
    "minimumSubtotal",
    "minimum_amount",
    "total",
}
MARK, NUMBER = "HUSH", 31_337_007


def planted(value: Any, *, field: str = "", texts: AbstractSet[str] = PLANTED_TEXTS, number: int = NUMBER) -> Any:
    """Return a request with recognizable texts and numbers in its fields, equal ones in the place of equal ones."""
    match value:
        case dict():
            return {
                name: planted(each, field=field if field == "metadata" else name, texts=texts, number=number)
                for name, each in value.items()
            }
        case list():
            return [planted(each, field=field, texts=texts, number=number) for each in value]
        case str() if field in texts and not IDENTITY.search(value):
            return f"{MARK}{value}"
        case int() if field in PLANTED_NUMBERS and not isinstance(value, bool):
            return number + value
        case _:
            return value


@pytest.mark.slow
def test_a_log_at_debug_shows_no_value_of_any_request(client: Client, worker: Worker, log_since: int) -> None:
    """The requests are those of the contract, each once with planted values and once without a valid field."""
    identities, outcomes = Identities(), Counter[str]()
    for step in steps():
        request = planted(identities.substitute(step.request))
        outcome = client.outcome(client.send(step.task, request))
        outcomes[outcome["status"]] += 1
        if outcome["status"] == "SUCCESS":
            # This learns the ids that the next requests need.
            identities.differences(step.answer, outcome["result"])
        client.outcome(client.send(step.task, {**{name: [MARK] for name in request}, "unheard": MARK}))
    log = worker.log[log_since:]
    assert outcomes["SUCCESS"] > len(steps()) / 2
    assert f"DEBUG/MainProcess] Task {steps()[0].task}[" in log
    assert [line for line in log.splitlines() if MARK in line.upper() or str(NUMBER)[:-3] in line] == []


def test_an_inspected_worker_shows_ids_only(client: Client, url: str) -> None:
    """`celery inspect` and Flower ask for the active and the reserved tasks."""
    created_voucher(client, code=CODE)
    with holding_vouchers(url):
        sent: list[str] = []
        for waiting in (1, 2, 2, 2):
            sent.append(client.send("redemptions.redeem", redemption(code=CODE, products=[PRODUCT])))
            wait_for_locks(url, count=waiting)
        inspect = client.app.control.inspect(timeout=DEADLINE_SECONDS, limit=1)
        active, reserved = inspect.active(), inspect.reserved()
        asked_for = [inspect.query_task(*sent)]
    assert [len(tasks) for tasks in active.values()] == [2]
    assert "'project': 'gigs'" in json.dumps(active)
    assert secrets_in(json.dumps([active, reserved, asked_for])) == []
    for each in sent:
        client.answer(each)


@pytest.mark.slow
def test_a_retried_task_shows_ids_only(impatient: tuple[Worker, Client]) -> None:
    """The worker itself publishes the message again, with an event and a log line."""
    worker, client = impatient
    created_voucher(client, name="Held", code=CODE)
    log_since = len(worker.log)
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        with holding_vouchers(worker.environment["DATABASE_URL"]):
            sent = client.send("redemptions.redeem", redemption(code=CODE, products=[PRODUCT]))
            eventually(lambda: client.broker.state(sent)["status"] == "RETRY")
            state = client.broker.state(sent)
        client.answer(sent)
        events = events_of(receive, sent)
    assert "task-retried" in {each["type"] for each in events}
    assert "task-sent" not in {each["type"] for each in events}
    assert secrets_in(json.dumps(state)) == []
    assert {each["type"]: found for each in events if (found := secrets_in(json.dumps(each)))} == {}
    assert secrets_in(worker.log[log_since:]) == []


def test_our_own_app_sends_no_event_for_a_message_that_it_sends(environment: dict[str, str]) -> None:
    """A task-sent event would contain the whole request."""
    url = with_redis(environment, number=UNREAD)["REDIS_URL"]
    with Connection(url) as connection, receiving_events(app, connection) as receive:
        request = redemption(code=CODE, products=[PRODUCT])
        with Connection(url) as sending:
            app.send_task("redemptions.redeem", kwargs={"request": request}, connection=sending, ignore_result=True)
            with app.events.Dispatcher(sending) as dispatcher:
                dispatcher.send("sent-afterwards")
        empty_broker(url)
        events = receive(lambda heard: any(each["type"] == "sent-afterwards" for each in heard))
    assert "task-sent" not in {each["type"] for each in events}
    assert secrets_in(json.dumps(events)) == []
