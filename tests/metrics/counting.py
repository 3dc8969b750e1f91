"""The counts in a folder, as an exporter adds them up."""

from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector

Counts = dict[tuple[str, ...], float]


def counts_in(folder: Path) -> Counts:
    """Return each count by the name of its sample and the values of its labels, sorted by the labels' names."""
    files = sorted(map(str, folder.glob("*.db")))
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for metric in MultiProcessCollector.merge(files)
        for sample in metric.samples
    }
