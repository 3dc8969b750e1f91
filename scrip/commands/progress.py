"""Show the progress of long work on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(work: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how much of the total is done. Without a total, only the work is shown."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(work, total=total)
        yield lambda done: bars.update(bar, completed=done)
