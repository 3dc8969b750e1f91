"""The demo's comparisons find deviations. A demo that cannot fail would prove nothing."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from scrip.demo.checks import Check, Found, by_cycle, by_reason, by_scenario, matches, retired
from scrip.demo.client import REDEEM, Exchange, Json, messages, queue_of
from scrip.demo.demo import report
from scrip.demo.promises import promises

EXPECTED: Json = {
    "scenarios": {"rush": {"about": "at once", "answers": {"accepted": 2, "max_redemptions_reached": 1}}},
    "redemptions": {"Gift": 2},
    "askedAgain": 1,
    "retired": {"maxRedemptionsReached": 1},
    "discounts": {"USD": {"1": 999}},
    "deliveredAgain": 1,
}
INVOICE: Json = {
    "outcome": "applied",
    "reason": None,
    "subtotal": 8000,
    "discountTotal": 999,
    "total": 7001,
    "lines": [{"id": "base", "amount": 8000, "discount": 999, "total": 7001}],
    "discounts": [{"amount": 999, "lines": {"base": 999}, "cycle": 1, "fullPriceFrom": "2025-04-30"}],
    "skipped": [],
}


def redeemed(request_id: str, **answer: Any) -> Exchange:
    """Return a request of the rush with an answer."""
    line = {"scenario": "rush", "request": {"project": "gigs", "requestId": request_id}}
    return Exchange(line, {"outcome": "accepted", "reason": None, "voucher": "vou_1", "redemptionNumber": 1} | answer)


def invoiced(**answer: Any) -> Exchange:
    """Return an invoice with an answer."""
    request = {"project": "gigs", "invoice": "inv_1", "subscription": "sub_monthly_31", "currency": "USD",
               "period": {"start": "2025-01-31", "end": "2025-02-28"}}  # fmt: skip
    wanted = {"outcome": "applied", "discountTotal": 999, "discounts": [{"cycle": 1, "fullPriceFrom": "2025-04-30"}]}
    return Exchange({"request": request, "answer": wanted}, INVOICE | answer)


def found(**different: Any) -> Found:
    """Return answers as expected, except for the given fields."""
    refused = redeemed("rush-3", outcome="refused", reason="max_redemptions_reached", redemptionNumber=None)
    fields: dict[str, Any] = {
        "redemptions": [redeemed("rush-1"), redeemed("rush-2", redemptionNumber=2), refused],
        "retrieved": [redeemed("rush-1")],
        "runs": [invoiced()],
        "first_run_again": [invoiced()],
        "vouchers": [{"id": "vou_1", "name": "Gift 7", "redemptions": 2, "status": "retired",
                      "retiredReason": "maxRedemptionsReached"}],
    }  # fmt: skip
    return Found(**fields | different)


def everything(answers: Found) -> list[Check]:
    """Return every comparison."""
    cycles = (check for row in by_cycle(answers, EXPECTED) for check in row)
    compared = [by_reason(answers, EXPECTED), by_scenario(answers, EXPECTED), cycles, retired(answers, EXPECTED)]
    return [check for checks in (*compared, promises(answers, EXPECTED)) for check in checks]


def deviating(answers: Found) -> set[str]:
    """Return the names of the comparisons that deviate."""
    return {f"{check.about} {check.title}".strip() for check in everything(answers) if not check.holds}


def test_what_is_as_expected_deviates_nowhere() -> None:
    """The other tests change one thing each."""
    assert deviating(found()) == set()


@pytest.mark.parametrize(
    ("different", "deviations"),
    [
        pytest.param(
            {"redemptions": found().redemptions[:2]},
            {"max_redemptions_reached", "rush: at once max_redemptions_reached"},
            id="an answer is missing",
        ),
        pytest.param(
            {"redemptions": [*found().redemptions[:2], redeemed("rush-3", outcome="refused", reason="out_of_luck")]},
            {
                "max_redemptions_reached",
                "rush: at once max_redemptions_reached",
                "out_of_luck",
                "rush: at once out_of_luck",
            },
            id="a reason that the contract does not know",
        ),
        pytest.param(
            {"redemptions": [redeemed("rush-1"), redeemed("rush-2", redemptionNumber=3), found().redemptions[2]]},
            {"vouchers numbered 1, 2, 3 … without a gap"},
            id="a gap in the numbers",
        ),
        pytest.param(
            {"redemptions": [redeemed("rush-1"), redeemed("rush-2"), found().redemptions[2]]},
            {"vouchers numbered 1, 2, 3 … without a gap"},
            id="a number twice",
        ),
        pytest.param(
            {"retrieved": [redeemed("rush-1", discount="another")]},
            {"redemptions asked for again, answered alike"},
            id="another answer to the same request",
        ),
        pytest.param({"retrieved": []}, {"redemptions asked for again, answered alike"}, id="nothing was asked again"),
        pytest.param(
            {"vouchers": [found().vouchers[0] | {"redemptions": 3}]},
            {"redemptions counted by the vouchers", "vouchers numbered 1, 2, 3 … without a gap"},
            id="a counter that is wrong",
        ),
        pytest.param(
            {"vouchers": [found().vouchers[0] | {"retiredReason": None, "status": "available"}]},
            {"maxRedemptionsReached"},
            id="a voucher that was not retired",
        ),
        pytest.param(
            {"first_run_again": [invoiced(total=7002)]},
            {"invoices delivered again, answered alike", "invoices whose parts sum to their totals"},
            id="an invoice discounted differently the second time",
        ),
        pytest.param(
            {"runs": [invoiced(discounts=[INVOICE["discounts"][0] | {"fullPriceFrom": "2025-05-01"}])]},
            {"invoices of the billing runs", "invoices delivered again, answered alike"},
            id="a window that ends on another day",
        ),
        pytest.param(
            {"runs": [invoiced(discounts=[INVOICE["discounts"][0] | {"amount": 998}])]},
            {"USD 1", "invoices delivered again, answered alike", "invoices whose parts sum to their totals"},
            id="an amount that does not sum up",
        ),
    ],
)
def test_each_deviation_is_found(different: dict[str, Any], deviations: set[str]) -> None:
    """Each deviation is reported in its own comparison, and in no other."""
    assert deviating(found(**different)) == deviations


@pytest.mark.parametrize("violations", [0, 1])
def test_the_report_fails_when_one_check_does(violations: int) -> None:
    """A single violation of the audit is enough."""
    answers = found(checks=[Check(title="violations that the audit found", expected=0, found=violations)])
    console = Console(file=StringIO(), width=130)
    assert report(console, found=answers, expected=EXPECTED) is (violations == 0)


def test_an_answer_may_say_more_than_is_expected_of_it() -> None:
    """A list must have exactly the expected elements."""
    assert matches({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3})
    assert not matches({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": 1}]})
    assert not matches({"a": None}, {})


def test_lines_travel_alone_or_in_bulk() -> None:
    """Lines in bulk keep their order."""
    lines: list[Json] = [{"alone": number == 1, "request": {"requestId": str(number)}} for number in range(3)]
    alone, bulk = messages(lines, REDEEM)
    assert (alone.task, alone.request) == ("redemptions.redeem", {"requestId": "1"})
    assert (bulk.task, bulk.request) == (
        "redemptions.redeem_many",
        {"requests": [{"requestId": "0"}, {"requestId": "2"}]},
    )


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("redemptions.redeem_many", "redemptions"),
        ("billing.apply", "billing"),
        ("expiry.sweep", "sweeps"),
        ("vouchers.create", "admin"),
    ],
)
def test_a_task_has_its_queue_by_name(task: str, queue: str) -> None:
    """Section 1 of the contract has the queues."""
    assert queue_of(task) == queue
