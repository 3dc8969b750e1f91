"""The processor time of tracing without an SDK: for each message in a worker, and for each batch in its child.

`make bench-traces` prints it beside the processor time of a redemption, of which `make bench-where` is the source.
"""

import pickle
from collections.abc import Callable
from time import process_time

from worker.intake.delivery import Delivery
from worker.intake.spans import has_sdk, span_of_batch, trace_headers_of

TASK = "redemptions.redeem"
BATCH = 500
REPETITIONS, TURNS = 20, 15
# Of the worker and its children for a single redemption, in docs/figures.md.
REDEMPTION_MICROSECONDS = 373
MICROSECONDS = 1_000_000
UNTRACED = {"id": "0a0b0c0d-0000-4000-8000-000000000000", "task": TASK, "lang": "py", "retries": 0, "eta": None}
TRACED = UNTRACED | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def main() -> None:
    """Print what a message costs with and without a trace, and its share of a redemption."""
    if has_sdk():
        raise SystemExit("the figures are those of a process without an SDK")
    for name, headers in (("without a trace", UNTRACED), ("with a trace", TRACED)):
        cost = cost_of(headers)
        print(f"a message {name}: {cost:.2f} µs, {cost / REDEMPTION_MICROSECONDS:.2%} of a redemption")


def cost_of(headers: dict[str, object]) -> float:
    """Return the microseconds of reading the headers, pickling what was found, and asking for a span of the batch."""
    traced = [_delivery(headers) for _ in range(BATCH)]
    untraced = [each._replace(trace=None) for each in traced]

    def span() -> None:
        with span_of_batch(TASK, traced):
            pass

    pickling = _quickest(lambda: pickle.dumps(traced)) - _quickest(lambda: pickle.dumps(untraced))
    reading = _quickest(lambda: [trace_headers_of(headers) for _ in range(BATCH)])
    return (reading + pickling + _quickest(span)) / BATCH * MICROSECONDS


def _delivery(headers: dict[str, object]) -> Delivery:
    return Delivery(
        id="0a0b0c0d",
        args=[],
        kwargs={"request": {"project": "acme", "code": "SUMMER"}},
        retries=0,
        redelivered=False,
        wants_answer=True,
        group=None,
        parent=None,
        original=None,
        trace=trace_headers_of(headers),
    )


def _quickest(run: Callable[[], object]) -> float:
    """Return the seconds of a run in the quickest of several turns."""
    return min(_seconds(run) for _ in range(TURNS)) / REPETITIONS


def _seconds(run: Callable[[], object]) -> float:
    started = process_time()
    for _ in range(REPETITIONS):
        run()
    return process_time() - started


if __name__ == "__main__":
    main()
