"""All metrics at a scrape: the counters of this host's workers, and the readings of the database and the broker."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from worker.metrics.counter_file import UNREADABLE
from worker.metrics.definitions import BROKER_UP, COUNTED, COUNTERS_UP, DATABASE_UP, METRICS, Reading


class BoundedReadings(Protocol):
    """Readings that are made in time, or not at all."""

    def get(self) -> list[Reading] | None:
        """Return the readings, or None if the server did not answer in time."""


class ScripCollector(Collector):
    """Collects every metric of `worker.metrics.definitions`, those without a value too."""

    def __init__(self, *, folder: Path | None, database: BoundedReadings, broker: BoundedReadings) -> None:
        """Read the counters from a folder, if there is one, and the rest by those readings."""
        self._folder, self._database, self._broker = folder, database, broker

    def collect(self) -> Iterator[Family]:
        """Yield the families of all metrics, in the order of their definitions."""
        counted = self._counted()
        readings = list(self._readings(are_counters_read=counted is not None))
        for metric in METRICS:
            family = Family(metric.family, metric.meaning, metric.kind)
            if metric in COUNTED:
                family.samples = list((counted or {}).get(metric.family, ()))
            for each in readings:
                if each.metric is metric:
                    family.add_sample(metric.name, dict(zip(metric.labels, each.labels, strict=True)), each.value)
            yield family

    def describe(self) -> Iterable[Family]:
        """Return the families without values, so that registering reads nothing."""
        return [Family(metric.family, metric.meaning, metric.kind) for metric in METRICS]

    def _counted(self) -> Mapping[str, list[Sample]] | None:
        if self._folder is None:
            return {}
        try:
            files = [str(path) for path in self._folder.iterdir() if path.suffix == ".db"]
            return {family.name: family.samples for family in MultiProcessCollector.merge(files)}
        except UNREADABLE:
            return None

    def _readings(self, *, are_counters_read: bool) -> Iterator[Reading]:
        if self._folder is not None:
            yield Reading(COUNTERS_UP, are_counters_read)
        for up, bounded in ((DATABASE_UP, self._database), (BROKER_UP, self._broker)):
            readings = bounded.get()
            yield Reading(up, readings is not None)
            yield from readings or ()
