"""The rows at the end of a run are compared with what callers were told."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.faults.checker import find_broken_promises
from tests.faults.history import History
from tests.faults.invented import FIXED, LIMITED, REPEATED, Invented
from tests.faults.stored_rows import StoredDiscount, StoredRedemption, StoredReversal, StoredRows

STORED = StoredRows(
    redemptions={("gigs", "r1"): StoredRedemption("red_r1", None, 1)}, invoices={("gigs", "inv_1"): 800}
)


@pytest.mark.parametrize(
    ("finding", "stored"),
    [
        (None, STORED),
        ("effect lost", replace(STORED, redemptions={})),
        ("effect lost", replace(STORED, invoices={})),
        ("row differs from the answer", replace(STORED, redemptions={("gigs", "r1"): StoredRedemption("x", None, 1)})),
        ("invoice discounted twice", replace(STORED, invoices={("gigs", "inv_1"): 1600})),
        ("effect without a request", replace(STORED, invoices={**STORED.invoices, ("gigs", "inv_9"): 0})),
    ],
)
def test_rows_that_contradict_the_answers_are_found(finding: str | None, stored: StoredRows):
    """The rows at the end of the run, without and with a fault."""
    known = Invented().askings
    found = find_broken_promises(History([known[each] for each in (LIMITED, "r1", "applied")]), stored)
    assert {each.check for each in found} == ({finding} if finding else set())


def test_a_failure_of_a_request_whose_row_is_stored_is_found():
    """Nobody else was told the answer, so only the row proves it."""
    failed = replace(Invented().askings["r1"], state="FAILURE", answer=None)
    found = find_broken_promises(History([failed]), replace(STORED, invoices={}))
    assert "failure of what is committed" in {each.check for each in found}


CREDITED = StoredReversal(("gigs", "inv_5"), "credited", "inv_6", "base", 2_500, 250)
TAKEN_BACK = StoredReversal(("gigs", "inv_5"), "credit_reversed", "inv_6", "base", -2_500, -250)
UNPAID = StoredReversal(("gigs", "inv_6"), "payment_failed", None, None, 0, 0)
CHARGED_BACK = StoredReversal(("gigs", "inv_8"), "charged_back", None, None, 0, 1_000)
REVERSALS = {
    "rev_1": CREDITED,
    "rev_2": TAKEN_BACK,
    "rev_taken_back": UNPAID,
    "rev_charged_back": CHARGED_BACK,
}
CHANGES = (("extended", "extended"), ("moved", "moved"))


@pytest.mark.parametrize(
    ("finding", "changed"),
    [
        (None, {}),
        ("credit stored, but not told", {"rev_3": CREDITED}),
        ("credit, but no row", {"rev_1": None}),
        ("credit, but no row", {"rev_1": CREDITED._replace(share=249)}),
        ("credit taken back stored, but not told", {"rev_3": TAKEN_BACK}),
        ("credit taken back, but no row", {"rev_2": None}),
        ("effect lost", {"rev_charged_back": None}),
        ("row differs from the answer", {"rev_charged_back": CHARGED_BACK._replace(share=999)}),
        ("row differs from the answer", {"rev_charged_back": CHARGED_BACK._replace(kind="voided")}),
        ("effect without a request", {"rev_again": CHARGED_BACK}),
    ],
)
def test_reversals_and_credits_that_contradict_the_answers_are_found(
    finding: str | None, changed: Mapping[str, StoredReversal | None]
):
    """A credit that was taken back, and a charge-back: doubled, lost, or with another amount."""
    reversals = {id_: row for id_, row in {**REVERSALS, **changed}.items() if row is not None}
    asked = (REPEATED, FIXED, "billed", "credited", "taken_back", "charged", "charged_back")
    found = _found(asked, StoredRows(reversals=reversals))
    assert finding in found if finding else not found


@pytest.mark.parametrize(
    ("finding", "discount"),
    [
        (None, StoredDiscount("sub_new", 4, CHANGES)),
        ("change done twice", StoredDiscount("sub_new", 4, (*CHANGES, ("moved", "moved")))),
        ("effect without a request", StoredDiscount("sub_new", 4, (*CHANGES, ("extended", "nobody")))),
        ("row differs from the answer", StoredDiscount("sub_new", 4, CHANGES[:1])),
        ("row differs from the answer", StoredDiscount("sub_old", 4, CHANGES)),
        ("row differs from the answer", StoredDiscount("sub_new", 5, CHANGES)),
    ],
)
def test_changes_that_contradict_the_answers_are_found(finding: str | None, discount: StoredDiscount):
    """A move and an extension: done twice, lost, or to another end."""
    found = _found((REPEATED, "repeated", "extended", "moved"), StoredRows(discounts={"dis_repeated": discount}))
    assert finding in found if finding else not found


def _found(asked: tuple[str, ...], stored: StoredRows) -> set[str]:
    """Return the names of what is found, without redemptions and invoices, whose rows are left out here."""
    known = Invented().askings
    history = History([known[each] for each in asked])
    told = replace(
        stored,
        redemptions={each.key[1:]: _row(each.answer) for each in history.decided("redemption")},
        invoices={
            each.key[1:]: sum(taken["amount"] for taken in each.answer["discounts"])
            for each in history.decided("invoice")
        },
    )
    return {each.check for each in find_broken_promises(history, told)}


def _row(answer: Mapping[str, object]) -> StoredRedemption:
    return StoredRedemption(str(answer["id"]), None, 1)
