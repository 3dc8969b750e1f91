"""The history checker: every promise that a run's record and the final rows can prove broken."""

from collections.abc import Callable, Iterator

from tests.faults import checks_of_allowances as allowances
from tests.faults import checks_of_answers as answers
from tests.faults import checks_of_changes as changes
from tests.faults import checks_of_credits as credits_
from tests.faults import checks_of_holds as holds
from tests.faults import checks_of_numbers as numbers
from tests.faults import checks_of_refusals as refusals
from tests.faults import checks_of_returns as returns
from tests.faults import checks_of_reversals as reversals
from tests.faults import checks_of_stays as stays
from tests.faults import rows_of_changes, rows_of_reversals, stored_rows
from tests.faults.finding import Finding
from tests.faults.history import History
from tests.faults.stored_rows import StoredRows

CHECKS: tuple[Callable[[History], Iterator[Finding]], ...] = (
    answers.unanswered,
    answers.answers_that_differ,
    answers.final_answers_taken_back,
    answers.failures,
    answers.invalid_items,
    answers.conflicts,
    numbers.numbers_with_gaps,
    numbers.numbers_against_real_time,
    numbers.over_redeemed,
    numbers.maxima_below_the_taken_places,
    refusals.refused_without_a_cause,
    refusals.refused_for_a_while_without_a_cause,
    refusals.accepted_after_retirement,
    holds.confirmed_after_release,
    holds.held_places_refused,
    holds.released_and_confirmed,
    stays.invoices_without_their_discount,
    stays.discounts_elsewhere,
    stays.running_twice,
    changes.changes_done_twice,
    changes.changes_lost,
    changes.histories_that_differ,
    changes.changes_that_do_not_follow,
    changes.changes_told_wrongly,
    changes.changes_refused_and_done,
    changes.changes_refused_without_a_cause,
    allowances.budgets_overspent,
    allowances.once_used_twice,
    allowances.allowances_exceeded,
    allowances.maximums_in_all_exceeded,
    allowances.cycles_exceeded,
    credits_.credits_not_as_asked,
    credits_.credits_that_do_not_add_up,
    credits_.credits_not_taken_back,
    credits_.credits_refused_without_a_cause,
    returns.lines_returned_too_much,
    returns.shares_not_due,
    returns.given_back_too_much,
    returns.given_back_too_little,
    returns.usages_told_twice,
    reversals.invoices_given_back_twice,
    reversals.reversals_refused_without_a_cause,
    reversals.reversals_shown_wrongly,
)

CHECKS_OF_ROWS: tuple[Callable[[History, StoredRows], Iterator[Finding]], ...] = (
    stored_rows.rows_that_contradict,
    stored_rows.failures_of_stored_effects,
    rows_of_reversals.credits_that_contradict,
    rows_of_reversals.reversals_that_contradict,
    rows_of_changes.changes_that_contradict,
)


def find_broken_promises(history: History, stored: StoredRows | None = None) -> list[Finding]:
    """Return every finding in the history, and those in the final rows if they are given."""
    found = [finding for check in CHECKS for finding in check(history)]
    if stored is not None:
        found += [finding for check in CHECKS_OF_ROWS for finding in check(history, stored)]
    return found
