"""Every reason, kind and status of the contract has a sentence, and every figure in a sentence is known."""

from enum import StrEnum
from typing import Any

import pytest

from domain.credit import CreditKind
from domain.eligibility import Refusal
from domain.explanation import Absence, Finding, Place, Standing
from domain.hold import HoldStatus
from domain.invoice import Skip
from domain.notice import Notice
from domain.reversal import ReversalKind
from domain.terms import RecurrenceType
from tasks.support import figures, sentences
from tasks.support.sentences import fields_of, say

# Each table of sentences, and the words of the contract that it has to have.
TABLES: list[tuple[Any, tuple[type[StrEnum], ...]]] = [
    (sentences.REFUSED, (Refusal,)),
    (sentences.HELD, (HoldStatus,)),
    (sentences.TERMS, (RecurrenceType,)),
    (sentences.STANDING, (Standing,)),
    (sentences.PLACE, (Place,)),
    (sentences.SKIPPED, (Skip,)),
    (sentences.ABSENT, (Absence,)),
    (sentences.REVERSED, (ReversalKind, CreditKind)),
    (sentences.NOTICED, (Notice,)),
    (sentences.FOUND, (Finding,)),
]
SINGLE = (
    *(
        sentences.ACCEPTED,
        sentences.MOVABLE,
        sentences.PRODUCTS,
        sentences.EXCLUDED_PRODUCTS,
        sentences.MAXIMUM,
        sentences.TAKEN,
    ),
    *(sentences.GIVEN_BACK, sentences.CHANGED_SINCE, sentences.ENTRY),
)
EVERY = [*(wordings for table, _ in TABLES for wordings in table.values()), *SINGLE]
# Always given to these sentences.
GIVEN = {
    sentences.TAKEN: {"amount"},
    sentences.ENTRY: {"amount", "cycle_start"},
    sentences.GIVEN_BACK: {"returned"},
    sentences.MAXIMUM: {"maximum_on_invoice"},
}
WORDS_MAX = 25


@pytest.mark.parametrize(("table", "enums"), TABLES, ids=[enums[0].__name__ for _, enums in TABLES])
def test_each_word_of_the_contract_has_a_sentence(table, enums):
    """A new reason without a sentence fails here, and a sentence without a reason too."""
    assert set(table) == {each for enum in enums for each in enum}


@pytest.mark.parametrize("wordings", EVERY)
def test_the_last_wording_needs_no_figure(wordings):
    """So there is a sentence if a figure is not known. The more a wording names, the earlier it stands."""
    needed = [fields_of(each) - GIVEN.get(wordings, set()) for each in wordings]
    assert needed[-1] == set()
    assert all(needed[:-1])


@pytest.mark.parametrize("wordings", EVERY)
def test_a_sentence_is_short_and_ends(wordings):
    """For a person who reads many of them."""
    for wording in wordings:
        assert wording[0].isupper() or wording[0] == "{", wording
        assert wording.endswith("."), wording
        assert all(len(each.split()) <= WORDS_MAX for each in wording.split(". ")), wording


def test_the_first_wording_whose_figures_are_known_is_said():
    """Figures that no wording names are ignored."""
    wordings = ("{a} and {b}.", "{b} alone.", "Nothing.")
    assert say(wordings, {"a": "1", "b": "2", "c": "3"}) == "1 and 2."
    assert say(wordings, {"b": "2"}) == "2 alone."
    assert say(wordings, {"a": "1"}) == "Nothing."


def test_amounts_and_instants_are_written_for_people():
    """The main currency stands first."""
    assert (
        figures.amounts_text({"EUR": 899, "USD": 999, "JPY": 1000}, first="USD") == "USD 9.99 or EUR 8.99 or JPY 1,000"
    )
