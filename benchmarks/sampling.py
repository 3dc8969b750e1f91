"""Taking measures in turn, each for about the same time."""

from collections.abc import Callable, Mapping
from functools import partial


class MeasureFailed(Exception):
    """A measure could not be taken. The message is a clear line. The other measures go on."""


# Returns a rate, a time or a size.
Measure = Callable[[], float]


def in_turn(measures: Mapping[str, Measure], *, repetitions: int) -> dict[str, list[float]]:
    """Take each measure in turn, `repetitions` times, and return the samples of each."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repetitions):
        for name, measure in measures.items():
            samples[name].append(measure())
    return samples


def count_for_seconds(measure: Callable[[int], float], *, first: int, seconds: float, most: int) -> int:
    """Warm a measure up, and return how many requests it handles in about that time, from `first` to `most`.

    A measure that works in batches is slower with few requests. So a second warm-up takes about the final number.
    """
    about = max(first, min(most, int(measure(first) * seconds)))
    return max(first, min(most, int(measure(about) * seconds)))


def with_counts(
    measures: Mapping[str, Callable[[int], float]], *, first: int, seconds: float, most: int
) -> dict[str, Measure]:
    """Warm each measure up, and return it with a fixed number of requests, a multiple of `first`."""
    counts = {
        name: count_for_seconds(measure, first=first, seconds=seconds, most=most) // first * first
        for name, measure in measures.items()
    }
    return {name: partial(measure, counts[name]) for name, measure in measures.items()}
