"""The rows at the end of a run are compared with what callers were told."""

from dataclasses import replace

import pytest

from tests.faults.checker import find_broken_promises
from tests.faults.history import History
from tests.faults.invented import LIMITED, Invented
from tests.faults.stored_rows import StoredRedemption, StoredRows

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
