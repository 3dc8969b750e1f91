"""The model of random histories: the phases of a voucher, as sent and as shown, and the place of each cycle."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from tests.histories.calendar import months_after

Json = dict[str, Any]
PRICES = ("priceDiscount", "priceDiscountPercentage")
DURATIONS = ("durationInMonths", "durationInCycles")


def phases_of(terms: Json) -> list[Json]:
    """Return the phases of terms, or none."""
    return terms["recurrence"].get("phases") or []


def duration_of(recurrence: Json, name: str) -> int | None:
    """Return the duration of a recurrence in that unit, all its phases together, or None."""
    durations = [each.get(name) for each in recurrence.get("phases") or [recurrence]]
    return None if None in durations else sum(durations)


def shown_recurrence(recurrence: Json) -> Json:
    """Return a recurrence as callers see it."""
    phases = recurrence.get("phases")
    return {**dict.fromkeys(DURATIONS), **recurrence, "phases": phases and [shown_phase(each) for each in phases]}


def shown_phase(phase: Json) -> Json:
    """Return a phase as callers see it."""
    price = phase.get("priceDiscount")
    shown = {**dict.fromkeys((*PRICES, *DURATIONS)), **phase}
    return {**shown, "priceDiscount": price and {"currencyOptions": {}, **price}}


def phase_of(
    terms: Json, start: date, *, taken: Iterable[tuple[date, int | None]], elsewhere: frozenset[date] = frozenset()
) -> int:
    """Return the number of the phase of a cycle. `taken` has the start and the phase of each amount that stands.

    `elsewhere` has the starts of the cycles that another system discounted.
    """
    known = {cycle: phase for cycle, phase in taken if phase is not None}
    if start in known:
        return known[start]
    numbers = range(1, len(phases_of(terms)) + 1)
    if duration_of(terms["recurrence"], "durationInCycles") is not None:
        places = [number for number in numbers for _ in range(phases_of(terms)[number - 1]["durationInCycles"])]
        if elsewhere and min(elsewhere) <= start <= max(elsewhere):
            return places[len(elsewhere) - 1]
        free = places[len(elsewhere) :]
        for cycle, phase in known.items():
            if not (elsewhere and min(elsewhere) <= cycle <= max(elsewhere)):
                free.remove(phase)
        return free[0]
    first = min([*known, *elsewhere, start])
    lengths = [each["durationInMonths"] for each in phases_of(terms)]
    return next(number for number in numbers if start < months_after(first, sum(lengths[:number])))
