"""Ramps: a discount in phases, each with a price of its own, and which phase a billing cycle is in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate, pairwise

from domain.recurrence import Progress, add_months, is_within_cycles
from domain.terms import Phase, Recurrence


def phase_of(
    cycle_start: date,
    *,
    phases: Sequence[Phase],
    recurrence: Recurrence,
    progress: Progress,
    phase_by_cycle: Mapping[date, int],
    elsewhere: Progress,
) -> int:
    """Return the number, from 1, of the phase that a covered billing cycle is in.

    `phase_by_cycle` has the phase of each cycle that was discounted, by its start. Such a cycle stays in its phase.
    A new cycle of a ramp in months is in the phase of the window in which it starts. The window begins with the first
    discounted cycle, or with the new one if that is earlier. Of a ramp in cycles, a new cycle takes the first place
    that no discounted cycle has. The last phase has the cycles by which the discount was extended, too.
    `elsewhere` is the progress that an imported discount came with. Its cycles had the first places, and an invoice
    between them is in the phase of the last.
    """
    known = phase_by_cycle.get(cycle_start)
    if known is not None:
        return known
    if recurrence.duration_in_cycles is not None:
        places = list(accumulate((each.duration for each in phases), initial=0))
        is_again = is_within_cycles(cycle_start, progress=elsewhere)
        here = (phase for start, phase in phase_by_cycle.items() if not is_within_cycles(start, progress=elsewhere))
        cycles, before = Counter(here), elsewhere.cycles
        belongs = (
            before <= end if is_again else cycles[number] + max(0, before - begin) < end - begin
            for number, (begin, end) in enumerate(pairwise(places), start=1)
        )
    else:
        first = min(cycle_start, progress.first_start or cycle_start)
        belongs = (
            cycle_start < add_months(first, months=months) for months in accumulate(each.duration for each in phases)
        )
    return next((number for number, does in enumerate(belongs, start=1) if does), len(phases))


def effective_durations(granted: Sequence[int], *, whole: int) -> list[int]:
    """Return how long each phase lasts, in months or cycles, from how long it was granted for.

    `whole` is the duration of the discount, of which an extension extends the last phase.
    """
    *earlier, _ = granted
    return [*earlier, whole - sum(earlier)]
