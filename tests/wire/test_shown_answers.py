"""Of an answer, logs and events show the outcome, the reason and counts, and no value."""

import json
import re
from enum import StrEnum
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import domain
from tasks.celery import app
from tasks.wire.shown_answers import (
    AUDIT_COUNTS,
    DONE,
    OTHER,
    OUTCOMES,
    PRUNING_COUNTS,
    READ,
    REASONS,
    REFUSALS,
    SWEEP_COUNTS,
    shown_answer,
)
from tests.contract.page import Step, steps
from worker.monitoring.shown_results import is_shown_answer

WORDS = OUTCOMES | REASONS | {READ, DONE, "items"} | set(SWEEP_COUNTS) | set(AUDIT_COUNTS) | set(PRUNING_COUNTS)
# The registered tasks need settings.
pytestmark = pytest.mark.usefixtures("environment")

EXAMPLES = steps()
REFUSED = {"outcome": "refused", "reason": "already_applied", "amount": 31_337, "code": "HUSH"}


def shown(step: Step) -> str:
    """Return what is shown of an example's answer."""
    text: str = app.tasks[step.task].shown_answer(step.answer)
    return text


@pytest.mark.parametrize("step", EXAMPLES, ids=[f"{number}-{step.task}" for number, step in enumerate(EXAMPLES)])
def test_no_value_of_an_example_is_shown(step: Step) -> None:
    """Each word is one of the contract's, and each number counts items of the answer."""
    words = re.split(r",? ", shown(step))
    assert [word for word in words if word not in WORDS and not word.isdecimal()] == []
    if step.task == "audit.run":
        # Its numbers count checks and violations.
        return
    items = step.answer.get("items", []) if isinstance(step.answer, dict) else step.answer or []
    assert sum(int(word) for word in words if word.isdecimal()) == len(items)


@pytest.mark.parametrize("step", EXAMPLES, ids=[f"{number}-{step.task}" for number, step in enumerate(EXAMPLES)])
def test_flower_knows_the_form_of_what_is_shown(step: Step) -> None:
    """Flower shows no result in another form."""
    assert is_shown_answer(shown(step))


def test_the_examples_show_their_outcomes() -> None:
    """One of each shape."""
    by_task: dict[str, set[str]] = {}
    for step in steps():
        by_task.setdefault(step.task, set()).add(shown(step))
    expected = {
        "redemptions.redeem": {
            "accepted",
            "refused customer_limit_reached",
            "refused code_customer_limit_reached",
            "refused not_first_purchase",
            "refused product_not_eligible",
            "refused not_combinable",
        },
        "redemptions.redeem_many": {"accepted 1, invalid 1"},
        "billing.apply_many": {"applied 1, refused idempotency_conflict 1"},
        "billing.reverse": {"reversed", "refused already_refunded"},
        "billing.preview": {"read"},
        "vouchers.create": {"done"},
        "vouchers.list": {"items 1"},
        "polar.discounts.delete": {"done"},
        "dintero.discounts.usages": {"items 1"},
    }
    assert {task: by_task[task] for task in expected} == expected


def test_a_bulk_answer_is_counted_by_outcome_and_reason() -> None:
    """The most frequent comes first."""
    items = [{"outcome": "invalid", "errors": []}, REFUSED, {"outcome": "accepted", "reason": None}, REFUSED]
    answer = {"object": "list", "items": [*items, *items[2:3] * 2]}
    assert shown_answer(answer, otherwise=DONE) == "accepted 3, refused already_applied 2, invalid 1"


def test_a_sweep_shows_its_six_counts() -> None:
    """In the order of the contract."""
    answer = {"object": "sweep", **{name: number for number, name in enumerate(SWEEP_COUNTS, 1)}}
    (example,) = (step.answer for step in EXAMPLES if step.task == "expiry.sweep")
    assert example.keys() == answer.keys()
    assert shown_answer(answer, otherwise=DONE) == (
        "expired 1, maxRedemptionsReached 2, completed 3, codesExpired 4, codesMaxRedemptionsReached 5, holdsLapsed 6"
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"outcome": "HUSH", "reason": "HUSH"}, "other other"),
        ({"outcome": ["HUSH"], "reason": {"HUSH": 1}}, "other other"),
        ({"outcome": None}, "other"),
        ({"items": [REFUSED, "HUSH", {"amount": 31_337}]}, "other 2, refused already_applied 1"),
        ({"object": "sweep", "expired": "HUSH"}, ", ".join(f"{name} {OTHER}" for name in SWEEP_COUNTS)),
        ({"items": "HUSH"}, "done"),
        ({"items": []}, "items 0"),
        ([{"code": "HUSH"}], "items 1"),
        ("HUSH", "done"),
        (31_337, "done"),
        (None, "done"),
    ],
)
def test_an_unknown_shape_shows_no_value(answer: Any, text: str) -> None:
    """A safe word stands in its place."""
    assert shown_answer(answer, otherwise=DONE) == text
    assert is_shown_answer(text)


def test_every_reason_of_a_refusal_is_known() -> None:
    """A new class of reasons has to be added to the words that are shown."""
    found = set[type[StrEnum]]()
    for module in walk_packages(domain.__path__, "domain."):
        named = vars(import_module(module.name)).items()
        found |= {each for name, each in named if name.endswith("Refusal") and isinstance(each, type)}
    assert found == set(REFUSALS)


@pytest.mark.parametrize(
    "result",
    [
        "{'code': 'HUSH', 'amount': 31337}",
        "'HUSH'",
        "HUSH",
        "31337",
        "accepted, HUSH-1",
        "accepted 3; DROP",
        "…",
        "",
        "a" * 5_000,
        json.dumps(REFUSED),
        None,
        7,
    ],
)
def test_flower_shows_no_other_result(result: object) -> None:
    """Another worker may announce whole answers."""
    assert not is_shown_answer(result)


def test_an_audit_shows_its_two_counts() -> None:
    """In the order of the contract, and nothing of what was found."""
    answer = {"object": "audit", "kind": "changes", "checks": 69, "violations": 3}
    assert shown_answer(answer, otherwise=DONE) == "checks 69, violations 3"
