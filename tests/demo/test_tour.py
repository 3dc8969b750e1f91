"""The tour's comparison: a step that is answered otherwise is found, and told with what came instead."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.eligibility import Refusal
from scrip.demo.checks import REASONS, Check
from scrip.demo.client import Exchange
from scrip.demo.tour import CHAPTERS, checks

TOUR = json.loads((Path(__file__).resolve().parents[2] / "examples" / "tour.json").read_text(encoding="utf-8"))


def walked(**other: Any) -> list[Check]:
    """This function will check a walk on which all was answered as expected, but for the last step of the balance."""
    answered = {chapter: [Exchange(step, dict(step["answer"])) for step in steps] for chapter, steps in TOUR.items()}
    last = answered["balance"][-1]
    answered["balance"][-1] = Exchange(last.line, {**last.answer, **other})
    return checks(answered)


def test_every_chapter_has_a_table():
    """And no other is told."""
    assert set(TOUR) == set(CHAPTERS)


def test_a_walk_as_expected_deviates_nowhere():
    """There is a check for each step."""
    assert len(walked()) == sum(map(len, TOUR.values()))
    assert all(check.holds for check in walked(more="than was expected"))


@pytest.mark.parametrize("other", [{"discountTotal": 2000}, {"discounts": []}])
def test_a_step_that_is_answered_otherwise_is_found(other):
    """With the answer that came."""
    wrong = [check for check in walked(**other) if not check.holds]
    assert [check.what for check in wrong] == ["A balance, invoice by invoice: an invoice over 20 USD in month 3"]
    assert str(next(iter(other.values()))) in wrong[0].deviations[0]


def test_the_tour_shows_reasons_that_the_other_examples_do_not():
    """Those of codes, of stamp cards and of holds, which need more than a voucher."""
    shown = {step["answer"].get("reason") for steps in TOUR.values() for step in steps} - {None}
    assert shown == {
        "code_not_for_customer",
        "code_max_redemptions_reached",
        "stamp_card_incomplete",
        "fully_reserved",
    }
    assert set(Refusal) - shown - set(REASONS) == {Refusal.CODE_RETIRED, Refusal.CODE_EXPIRED}
