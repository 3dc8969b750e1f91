"""A line of the table: the samples of a measure and of its baseline, and the goal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from statistics import median
from typing import Any, Self


class Kind(StrEnum):
    """The kinds of comparison between a measure and its baseline."""

    AT_LEAST_TIMES = "at least times"
    AT_MOST_TIMES = "at most times"
    AT_MOST_MORE = "at most more"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The goal of a measure."""

    kind: Kind
    bound: float

    def score(self, values: Sequence[float], baselines: Sequence[float]) -> float:
        """Return the median ratio or difference. The samples of a pair were taken right after each other."""
        pairs = list(zip(values, baselines, strict=True))
        if self.kind is Kind.AT_MOST_MORE:
            return median(value - baseline for value, baseline in pairs)
        return median(value / baseline for value, baseline in pairs)

    def is_met(self, score: float) -> bool:
        """Return whether the score meets the goal."""
        return score >= self.bound if self.kind is Kind.AT_LEAST_TIMES else score <= self.bound

    def text(self, unit: str) -> str:
        """Return the goal as the table shows it."""
        match self.kind:
            case Kind.AT_LEAST_TIMES:
                return f"≥ {self.bound:g} ×"
            case Kind.AT_MOST_TIMES:
                return f"≤ {self.bound:g} ×"
            case Kind.AT_MOST_MORE:
                return f"≤ + {self.bound:g} {unit}"


def at_least(times: float) -> Goal:
    """Return the goal of at least so many times the baseline."""
    return Goal(kind=Kind.AT_LEAST_TIMES, bound=times)


def at_most(times: float) -> Goal:
    """Return the goal of at most so many times the baseline."""
    return Goal(kind=Kind.AT_MOST_TIMES, bound=times)


def at_most_more(amount: float) -> Goal:
    """Return the goal of at most so much more than the baseline."""
    return Goal(kind=Kind.AT_MOST_MORE, bound=amount)


# No goal: the comparison is only shown.
NO_GOAL = Goal(kind=Kind.AT_LEAST_TIMES, bound=0)


@dataclass(frozen=True, kw_only=True)
class TableLine:
    """A measure with its baseline, sample by sample."""

    measure: str
    baseline: str
    values: Sequence[float]
    baselines: Sequence[float]
    goal: Goal = NO_GOAL
    unit: str = "/s"
    note: str = ""

    @property
    def score(self) -> float:
        """The ratio of the two, or their difference."""
        return self.goal.score(self.values, self.baselines)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met, or None without a goal."""
        return None if self.goal == NO_GOAL else self.goal.is_met(self.score)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        score = f"{self.score:+.1f} {self.unit}" if self.goal.kind is Kind.AT_MOST_MORE else f"{self.score:.2f} ×"
        verdict = {True: "met", False: "NOT MET", None: ""}[self.is_met]
        goal = "" if self.goal == NO_GOAL else self.goal.text(self.unit)
        figures = (*_figures(self.values, self.unit), self.baseline, *_figures(self.baselines, self.unit))
        return (self.measure, *figures, score, goal, verdict)

    def as_json(self) -> dict[str, Any]:
        """Return all samples and figures."""
        derived = {"median": median(self.values), "baselineMedian": median(self.baselines), "score": self.score}
        return {**asdict(self), **derived, "isMet": self.is_met}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the line that `as_json` has written."""
        goal = Goal(kind=Kind(document["goal"]["kind"]), bound=document["goal"]["bound"])
        return cls(**{each.name: document[each.name] for each in fields(cls)} | {"goal": goal})


def _figures(samples: Sequence[float], unit: str) -> tuple[str, str]:
    digits = 1 if max(samples) < 100 else 0  # noqa: PLR2004 - three digits are enough
    low, middle, high = (f"{each:,.{digits}f}" for each in (min(samples), median(samples), max(samples)))
    return f"{middle} {unit}".replace(" /s", "/s"), f"{low} – {high}" if len(samples) > 1 else ""
