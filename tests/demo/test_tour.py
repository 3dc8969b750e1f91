"""The tour's comparison: an unexpected answer to a step is found, and shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.eligibility import Refusal
from scrip.demo.checks import Check
from scrip.demo.client import Exchange
from scrip.demo.tour import CHAPTERS, step_checks
from tests.demo.test_examples import REASONS

TOUR = json.loads((Path(__file__).resolve().parents[2] / "examples" / "tour.json").read_text(encoding="utf-8"))


def walked(**other: Any) -> list[Check]:
    """Check a tour with the expected answers, except for fields of the last answer about the balance."""
    exchanges = {chapter: [Exchange(step, dict(step["answer"])) for step in steps] for chapter, steps in TOUR.items()}
    last = exchanges["balance"][-1]
    exchanges["balance"][-1] = Exchange(last.line, {**last.answer, **other})
    return step_checks(exchanges)


def test_every_chapter_has_a_table():
    """There is no table without a chapter."""
    assert set(TOUR) == set(CHAPTERS)


def test_a_walk_as_expected_deviates_nowhere():
    """There is a check for each step."""
    assert len(walked()) == sum(map(len, TOUR.values()))
    assert all(check.holds for check in walked(more="than was expected"))


@pytest.mark.parametrize("other", [{"discountTotal": 2000}, {"discounts": []}])
def test_a_step_that_is_answered_otherwise_is_found(other):
    """The deviation shows the actual answer."""
    wrong = [check for check in walked(**other) if not check.holds]
    assert [check.title for check in wrong] == ["A balance, invoice by invoice: an invoice over 20 USD in month 3"]
    assert str(next(iter(other.values()))) in wrong[0].deviations[0]


def test_the_tour_shows_reasons_that_the_other_examples_do_not():
    """Reasons of codes, stamp cards and holds, which need more than a voucher."""
    shown = {step["answer"].get("reason") for steps in TOUR.values() for step in steps} - {None}
    assert shown == {
        "code_not_for_customer",
        "code_max_redemptions_reached",
        "stamp_card_incomplete",
        "fully_reserved",
    }
    assert set(Refusal) - shown - set(REASONS) == {
        *(Refusal.CODE_RETIRED, Refusal.CODE_EXPIRED, Refusal.CODE_CUSTOMER_LIMIT_REACHED),
        *(Refusal.NOT_FIRST_PURCHASE, Refusal.TOO_MANY_ATTEMPTS, Refusal.NOT_COMBINABLE),
    }
