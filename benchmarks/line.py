"""One line of the table: a measure and its baseline, taken in turn, and what is asked of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import partial
from statistics import median
from typing import Any, Self


class MeasureFailed(Exception):
    """A measure could not be taken. The message is one clear line; the other measures go on."""


# Returns how much there was of something: a rate, a time, a size.
Measure = Callable[[], float]


class Kind(StrEnum):
    """How a measure is compared with its baseline."""

    AT_LEAST_TIMES = "at least times"
    AT_MOST_TIMES = "at most times"
    AT_MOST_MORE = "at most more"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is asked of a measure."""

    kind: Kind
    bound: float

    def score(self, values: Sequence[float], baselines: Sequence[float]) -> float:
        """This method will compare the medians: the pairs were taken one right after the other."""
        pairs = list(zip(values, baselines, strict=True))
        if self.kind is Kind.AT_MOST_MORE:
            return median(value - baseline for value, baseline in pairs)
        return median(value / baseline for value, baseline in pairs)

    def is_met(self, score: float) -> bool:
        """This method will tell whether that is enough."""
        return score >= self.bound if self.kind is Kind.AT_LEAST_TIMES else score <= self.bound

    def text(self, unit: str) -> str:
        """This method will say what is asked."""
        match self.kind:
            case Kind.AT_LEAST_TIMES:
                return f"≥ {self.bound:g} ×"
            case Kind.AT_MOST_TIMES:
                return f"≤ {self.bound:g} ×"
            case Kind.AT_MOST_MORE:
                return f"≤ + {self.bound:g} {unit}"


def at_least(times: float) -> Goal:
    """This function will ask for so many times the baseline."""
    return Goal(kind=Kind.AT_LEAST_TIMES, bound=times)


def at_most(times: float) -> Goal:
    """This function will allow so many times the baseline."""
    return Goal(kind=Kind.AT_MOST_TIMES, bound=times)


def at_most_more(amount: float) -> Goal:
    """This function will allow so much more than the baseline."""
    return Goal(kind=Kind.AT_MOST_MORE, bound=amount)


# Nothing is asked: the comparison is shown.
SHOWN = Goal(kind=Kind.AT_LEAST_TIMES, bound=0)


@dataclass(frozen=True, kw_only=True)
class Line:
    """This class will hold a measure with its baseline, sample by sample."""

    measure: str
    baseline: str
    values: Sequence[float]
    baselines: Sequence[float]
    goal: Goal = SHOWN
    unit: str = "/s"
    note: str = ""

    @property
    def score(self) -> float:
        """This property will be the ratio of the two, or their difference."""
        return self.goal.score(self.values, self.baselines)

    @property
    def is_met(self) -> bool | None:
        """This property will tell whether the goal is met; None where there is none."""
        return None if self.goal == SHOWN else self.goal.is_met(self.score)

    def cells(self) -> tuple[str, ...]:
        """This method will return what the table shows."""
        score = f"{self.score:+.1f} {self.unit}" if self.goal.kind is Kind.AT_MOST_MORE else f"{self.score:.2f} ×"
        verdict = {True: "met", False: "NOT MET", None: ""}[self.is_met]
        goal = "" if self.goal == SHOWN else self.goal.text(self.unit)
        figures = (*_figures(self.values, self.unit), self.baseline, *_figures(self.baselines, self.unit))
        return (self.measure, *figures, score, goal, verdict)

    def as_json(self) -> dict[str, Any]:
        """This method will return everything that was measured."""
        derived = {"median": median(self.values), "baselineMedian": median(self.baselines), "score": self.score}
        return {**asdict(self), **derived, "isMet": self.is_met}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """This method will read what `as_json` has written."""
        goal = Goal(kind=Kind(document["goal"]["kind"]), bound=document["goal"]["bound"])
        return cls(**{each.name: document[each.name] for each in fields(cls)} | {"goal": goal})


def _figures(samples: Sequence[float], unit: str) -> tuple[str, str]:
    digits = 1 if max(samples) < 100 else 0  # noqa: PLR2004 - three digits say enough
    low, middle, high = (f"{each:,.{digits}f}" for each in (min(samples), median(samples), max(samples)))
    return f"{middle} {unit}".replace(" /s", "/s"), f"{low} – {high}" if len(samples) > 1 else ""


def in_turn(measures: Mapping[str, Measure], *, repetitions: int) -> dict[str, list[float]]:
    """This function will take each measure in turn, so many times, and return the samples of each."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repetitions):
        for name, measure in measures.items():
            samples[name].append(measure())
    return samples


def how_many(measure: Callable[[int], float], *, first: int, seconds: float, most: int) -> int:
    """This function will warm a measure up, first with so many, and return how many it takes in about that time.

    What works in batches is slower with a few: it is warmed up a second time, with about as many as it will take.
    """
    few = max(first, min(most, int(measure(first) * seconds)))
    return max(first, min(most, int(measure(few) * seconds)))


def sized(
    measures: Mapping[str, Callable[[int], float]], *, first: int, seconds: float, most: int
) -> dict[str, Measure]:
    """This function will warm each measure up, and fix how many it takes each time: so many times `first`."""
    counts = {
        name: how_many(measure, first=first, seconds=seconds, most=most) // first * first
        for name, measure in measures.items()
    }
    return {name: partial(measure, counts[name]) for name, measure in measures.items()}
