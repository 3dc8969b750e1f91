"""The answers of the tasks, through a real broker, to a client that has none of Scrip's code.

A single long test follows a voucher from creation to retirement, since each request needs the answers to the requests
before.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import invoice, redemption, voucher_body

Ask = Callable[[str, Json], Json]


@pytest.fixture
def ask(worker: Worker, tmp_path: Path) -> Iterator[Ask]:
    """Yield a function that asks through a billing system in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("billing_system.py"))],
        cwd=tmp_path,
        env={**os.environ, "REDIS_URL": worker.environment["REDIS_URL"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def ask(task: str, request: Json) -> Json:
            stdin.write(json.dumps([task, request]) + "\n")
            stdin.flush()
            answer: Json = json.loads(stdout.readline())
            return answer

        yield ask
        stdin.close()
        assert process.wait() == 0


def as_instant(value: str) -> datetime:
    """Parse an instant in the format of the contract: in UTC, with `Z`."""
    assert value.endswith("Z")
    return datetime.fromisoformat(value)


def test_an_ordinary_client_gets_the_contracts_answer_to_every_task(ask: Ask) -> None:
    """The client follows the whole life of a voucher, by the names of tasks and JSON alone.

    The function is longer than 40 lines, since each step needs the answers of the steps before.
    """
    terms = {
        "project": "gigs",
        "name": "Summer",
        "code": "SUMMER",
        "priceDiscount": {"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}},
        "recurrence": {"type": "repeating", "durationInMonths": 3},
        "metadata": {"campaign": "summer", "rank": 1},
    }
    restrictions = {"maximumRedemptions": 1, "products": ["prod_a"], "expiresAt": "2099-04-14T21:38:34+02:00"}
    answer = ask("vouchers.create", {**terms, "restrictions": restrictions})
    voucher_id, created_at = answer["id"], as_instant(answer["createdAt"])
    assert voucher_id.startswith("vou_")
    as_created = {
        "object": "voucher",
        "id": voucher_id,
        "createdAt": answer["createdAt"],
        "updatedAt": None,
        **terms,
        "campaign": None,
        "recurrence": {"type": "repeating", "durationInMonths": 3, "durationInCycles": None, "phases": None},
        "carryOver": False,
        "exclusive": False,
        "priority": 500,
        "stampCard": None,
        "maximumDiscount": None,
        "maximumDiscountInAll": None,
        "budget": None,
        "priceDiscountPercentage": None,
        "restrictions": {
            "startsAt": None,
            "expiresAt": "2099-04-14T19:38:34Z",
            "maximumRedemptions": 1,
            "maximumRedemptionsPerCustomer": None,
            "products": ["prod_a"],
            "excludedProducts": None,
            "firstPurchaseOnly": False,
            "minimumSubtotal": None,
        },
        "redemptions": 0,
        "status": "available",
        "retiredReason": None,
        "retiredAt": None,
        "given": {},
        "spent": None,
        "left": None,
    }
    assert answer == as_created
    reference = {"project": "gigs", "voucher": voucher_id}
    assert ask("vouchers.retrieve", reference) == as_created

    who = {"project": "gigs", "requestId": "order-1", "customer": "cus_1", "subscription": "sub_1"}
    purchase = {"code": "summer", "products": ["prod_a"], "currency": "USD", "startsOn": "2025-01-31"}
    accepted = ask("redemptions.redeem", {**who, **purchase})
    assert as_instant(accepted["decidedAt"]) >= created_at
    assert accepted["id"].startswith("red_")
    assert accepted["discount"].startswith("dis_")
    assert accepted == {
        "object": "redemption",
        "id": accepted["id"],
        **who,
        "outcome": "accepted",
        "reason": None,
        "retryable": False,
        "voucher": voucher_id,
        "code": "SUMMER",
        "discount": accepted["discount"],
        "redemptionNumber": 1,
        "decidedAt": accepted["decidedAt"],
    }
    assert ask("redemptions.retrieve", {"project": "gigs", "requestId": "order-1"}) == accepted

    late = {**who, **purchase, "requestId": "order-2"}
    items = ask("redemptions.redeem_many", {"requests": [late, {"project": "gigs"}, {**who, **purchase}]})
    assert items["object"] == "list"
    refused, invalid, replayed = items["items"]
    assert refused == accepted | {
        "id": refused["id"],
        "requestId": "order-2",
        "outcome": "refused",
        "reason": "max_redemptions_reached",
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": refused["decidedAt"],
    }
    assert invalid["outcome"] == "invalid"
    assert {"field": "customer", "message": "must be given"} in invalid["errors"]
    assert replayed == accepted

    billed = {"project": "gigs", "subscription": "sub_1", "currency": "USD"}
    lines = [{"id": "base", "amount": 4300, "product": "prod_a"}, {"id": "seats", "amount": 3700}]
    sent = {
        **billed,
        "invoice": "inv_1",
        "customer": "cus_1",
        "period": {"start": "2025-01-31", "end": "2025-02-28"},
        "lines": lines,
    }
    applied = ask("billing.apply", sent)
    assert applied == {
        "object": "invoiceDiscount",
        "outcome": "applied",
        "reason": None,
        "refusedLine": None,
        **billed,
        "invoice": "inv_1",
        "subtotal": 8000,
        "discountTotal": 999,
        "total": 7001,
        "lines": [
            {"id": "base", "amount": 4300, "discount": 999, "total": 3301},
            {"id": "seats", "amount": 3700, "discount": 0, "total": 3700},
        ],
        "discounts": [
            {
                "discount": accepted["discount"],
                "voucher": voucher_id,
                "amount": 999,
                "lines": {"base": 999},
                "cycle": 1,
                "phase": None,
                "fullPriceFrom": "2025-04-30",
                "debitBalance": None,
            }
        ],
        "credits": [],
        "skipped": [],
        "notices": [],
        "appliedAt": applied["appliedAt"],
        "reversed": None,
    }
    foreign = {**sent, "invoice": "inv_2", "currency": "JPY"}
    items = ask("billing.apply_many", {"invoices": [foreign, sent]})
    assert items["items"][0]["skipped"] == [
        {"discount": accepted["discount"], "voucher": accepted["voucher"], "reason": "currency_mismatch"}
    ]
    assert items["items"][1] == applied

    retired = ask("vouchers.retire", reference)
    assert retired == as_created | {
        "redemptions": 1,
        "status": "retired",
        "retiredReason": "maxRedemptionsReached",
        "retiredAt": accepted["decidedAt"],
        "given": {"USD": 999},
    }
    swept = ask("expiry.sweep", {})
    nothing = dict.fromkeys(
        ("expired", "maxRedemptionsReached", "codesExpired", "codesMaxRedemptionsReached", "holdsLapsed"), 0
    )
    assert swept == {"object": "sweep", **nothing, "completed": 1}
    invalid = ask("vouchers.retrieve", {"project": "gigs"})
    assert invalid == {"error": "InvalidRequest", "details": [[{"field": "voucher", "message": "must be given"}]]}
    unknown = ask("redemptions.retrieve", {"project": "gigs", "requestId": "order-9"})
    assert unknown == {"error": "NotFound", "details": ["redemption"]}


def test_every_task_that_is_delivered_twice_answers_the_same(client: Client) -> None:
    """The callers' ids are idempotency keys, and a voucher is retired once."""
    voucher_id = created_voucher(client)
    reference = {"project": "gigs", "voucher": voucher_id}
    repeated: list[tuple[str, Json]] = [
        ("vouchers.create", voucher_body(requestId="voucher-1")),
        ("redemptions.redeem", redemption(voucher=voucher_id, subscription="sub_1")),
        ("redemptions.redeem_many", {"requests": [redemption(voucher=voucher_id), redemption(code="NONE")]}),
        ("billing.apply", invoice()),
        ("billing.apply_many", {"invoices": [invoice(), invoice(trial=True)]}),
        ("vouchers.retire", reference),
    ]
    for task, request in repeated:
        assert client.ask(task, request) == client.ask(task, request)
    assert client.ask("vouchers.retrieve", reference)["redemptions"] == 2
