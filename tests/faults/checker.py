"""The history checker: every promise that a run's record and the final rows can prove broken."""

from collections.abc import Callable, Iterator

from tests.faults import checks_of_answers as answers
from tests.faults import checks_of_holds as holds
from tests.faults import checks_of_invoices as invoices
from tests.faults import checks_of_numbers as numbers
from tests.faults import checks_of_refusals as refusals
from tests.faults.finding import Finding
from tests.faults.history import History
from tests.faults.stored_rows import StoredRows, failures_of_stored_effects, rows_that_contradict

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
    invoices.invoices_without_their_discount,
    invoices.budgets_overspent,
    invoices.once_used_twice,
    invoices.invoices_given_back_twice,
    invoices.given_back_too_much,
    invoices.reversals_refused_without_a_cause,
    invoices.reversals_shown_wrongly,
)


def find_broken_promises(history: History, stored: StoredRows | None = None) -> list[Finding]:
    """Return every finding in the history, and those in the final rows if they are given."""
    found = [finding for check in CHECKS for finding in check(history)]
    if stored is not None:
        found += [*rows_that_contradict(history, stored), *failures_of_stored_effects(history, stored)]
    return found
