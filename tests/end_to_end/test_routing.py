"""The names of the tasks and the queue of each: messages on their way and every client depend on them."""

import pytest
from celery.exceptions import QueueNotFound
from kombu import Connection

from tasks.celery import app
from tests.end_to_end.broker import QUEUES, Broker, with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.support.requests import redemption

# A database of Valkey from which no worker reads.
UNREAD = 2

QUEUE_BY_TASK = {
    "redemptions.redeem": "redemptions",
    "redemptions.redeem_many": "redemptions",
    "redemptions.retrieve": "redemptions",
    "redemptions.validate": "redemptions",
    "redemptions.reserve": "redemptions",
    "redemptions.confirm": "redemptions",
    "redemptions.release": "redemptions",
    "redemptions.list": "redemptions",
    "billing.apply": "billing",
    "billing.apply_many": "billing",
    "billing.reverse": "billing",
    "billing.preview": "billing",
    "billing.retrieve": "billing",
    "billing.list": "billing",
    "expiry.sweep": "sweeps",
    "expiry.prune": "sweeps",
    "audit.run": "sweeps",
}
QUEUE_BY_TASK |= dict.fromkeys(
    (
        "vouchers.create",
        "vouchers.retrieve",
        "vouchers.list",
        "vouchers.update",
        "vouchers.retire",
        "vouchers.add_codes",
        "vouchers.generate_codes",
        "codes.list",
        "codes.retire",
        "usages.record",
        "usages.list",
        "vouchers.forecast",
        "vouchers.history",
        "discounts.list",
        "discounts.retrieve",
        "discounts.end",
        "discounts.move",
        "discounts.extend",
        "discounts.import",
        "discounts.import_many",
        "subscriptions.end",
        "customers.erase",
        "holds.list",
        "reversals.list",
        "generations.retrieve",
        "dead_letters.list",
        "reports.discounts",
        "support.explain",
        "gigs.vouchers.create",
        "gigs.vouchers.retrieve",
        "gigs.vouchers.list",
        "gigs.vouchers.retire",
        "polar.discounts.create",
        "polar.discounts.retrieve",
        "polar.discounts.update",
        "polar.discounts.list",
        "polar.discounts.delete",
        "dintero.discounts.usages",
        "stripe.coupons.import",
        "stripe.promotion_codes.import",
    ),
    "admin",
)


@pytest.mark.usefixtures("environment")
def test_the_worker_has_the_contracts_tasks_and_no_others() -> None:
    """A name must never change: messages on their way contain the name."""
    assert {name for name in app.tasks if not name.startswith("celery.")} == set(QUEUE_BY_TASK)


def test_each_name_goes_to_its_queue(environment: dict[str, str]) -> None:
    """Scrip's own app sends each task to a database from which no worker reads."""
    url = with_redis(environment, number=UNREAD)["REDIS_URL"]
    broker = Broker({"REDIS_URL": url})
    for task, queue in QUEUE_BY_TASK.items():
        broker.redis.flushdb()
        with Connection(url) as connection:
            app.send_task(task, kwargs={"request": {}}, connection=connection, ignore_result=True)
        assert {name for name in QUEUES if broker.waiting(name)} == {queue}, task
    broker.redis.flushdb()


def test_a_misspelt_queue_is_an_error_at_the_sender(environment: dict[str, str]) -> None:
    """Otherwise Celery would create a queue that no worker reads."""
    assert environment
    with pytest.raises(QueueNotFound, match="redemption"):
        app.send_task("redemptions.redeem", kwargs={"request": {}}, queue="redemption", ignore_result=True)


def test_an_ordinary_client_may_name_the_queue_itself(worker: Worker) -> None:
    """A client without routes, for example in another language, passes `queue=`."""
    with Client(worker.environment, routes=None) as client:
        answer = client.ask("redemptions.redeem", redemption(code="NONE"), queue="redemptions")
    assert answer["reason"] == "voucher_not_found"
