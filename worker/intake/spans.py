"""Spans of OpenTelemetry: one for each batch, with a link to the trace of each message.

Celery's signal `task_prerun`, on which the public instrumentation relies, is not sent for a message of a batch. Without
an SDK in the process, nothing is recorded and no header is parsed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Thread
from typing import Any

from celery.signals import worker_process_shutdown
from celery.utils.log import get_logger
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, ProxyTracerProvider, Span, SpanContext, SpanKind, StatusCode

from worker.connections import is_amqp
from worker.intake.counted_outcomes import outcomes_of
from worker.intake.delivery import Delivery, Outcome
from worker.queues import queue_of
from worker.settings import settings

logger = get_logger(__name__)

# W3C asks for at least 512 characters of `tracestate`. A longer value is not that of a trace.
HEADER_LENGTH_MAX = 1_024
# A child that ends waits this long for the last spans. A child of a worker that stops is killed after 5 s.
FLUSH_SECONDS = 1


@cache
def header_names() -> tuple[str, ...]:
    """Return the names of the headers that carry a trace, which OTEL_PROPAGATORS decides."""
    return tuple(sorted(propagate.get_global_textmap().fields))


def trace_headers_of(headers: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the headers of a message that carry its trace, or None if there are none. A sender may write anything."""
    found = {
        name: value
        for name in header_names()
        if isinstance(value := headers.get(name), str) and len(value) <= HEADER_LENGTH_MAX
    }
    return found or None


def has_sdk() -> bool:
    """Return whether spans are recorded in this process."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


class BatchSpan:
    """The span of a batch that is being decided."""

    def __init__(self, task: str, span: Span) -> None:
        """Describe the span."""
        self._task, self._span = task, span

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Note how many answers have each outcome and reason, and how many messages are tried again for each cause."""
        found = outcomes_of((1, each) for each in outcomes)
        with _harmless():
            for (outcome, reason), number in found.answers(self._task).items():
                self._span.set_attribute(".".join(filter(None, ("scrip.outcome", outcome, reason))), number)
            for cause, number in found.retried.items():
                self._span.set_attribute(f"scrip.retried.{cause}", number)
            if found.retried:
                self._span.set_status(StatusCode.ERROR)

    def note_error(self, error: BaseException) -> None:
        """Note the class of an error that the batch raised."""
        with _harmless():
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(StatusCode.ERROR)


@contextmanager
def span_of_batch(task: str, deliveries: Sequence[Delivery]) -> Iterator[BatchSpan | None]:
    """Record the span of a batch, or yield None without an SDK.

    A message alone is the span's parent. A batch of several messages begins a trace of its own, with links to theirs.
    Whatever an SDK raises, the batch is decided: its messages would otherwise run again for ever.
    """
    recording = ExitStack()
    span = _began(recording, task, deliveries) if has_sdk() else None
    try:
        yield span
    except BaseException as error:
        if span is not None:
            span.note_error(error)
        raise
    finally:
        with _harmless():
            recording.close()


def _began(recording: ExitStack, task: str, deliveries: Sequence[Delivery]) -> BatchSpan | None:
    with _harmless():
        contexts = [_context_of(each) for each in deliveries]
        origins = [(each.id, _origin(found)) for each, found in zip(deliveries, contexts, strict=True)]
        span = trace.get_tracer("scrip").start_as_current_span(
            f"process {task}",
            context=contexts[0] if len(contexts) == 1 else Context(),
            kind=SpanKind.CONSUMER,
            attributes=_attributes(task, len(deliveries)),
            links=[Link(origin, {"messaging.message.id": each}) for each, origin in origins if origin.is_valid],
            # The text of an exception may quote values of a request.
            record_exception=False,
            set_status_on_exception=False,
        )
        return BatchSpan(task, recording.enter_context(span))
    return None


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever an SDK or a propagator raises, messages are decided
        logger.warning("a span could not be recorded: %s", type(error).__name__)


@contextmanager
def within_trace_of(delivery: Delivery) -> Iterator[None]:
    """Continue the trace of a message: the tasks that follow it belong to the trace of its sender."""
    if not has_sdk():
        yield
        return
    current, found = context.get_current(), _context_of(delivery)
    # The batch of a message alone is in the same trace, and closer to the followers than the sender.
    is_within = not delivery.trace or _origin(current).trace_id == _origin(found).trace_id
    token = context.attach(current if is_within else found)
    try:
        yield
    finally:
        # The public instrumentation does not end its span for a task that this process does not know.
        context.detach(token)


def _context_of(delivery: Delivery) -> Context:
    with _harmless():
        return propagate.extract(delivery.trace or {}, context=Context())
    return Context()


def _origin(found: Context) -> SpanContext:
    return trace.get_current_span(found).get_span_context()


def _attributes(task: str, messages: int) -> dict[str, str | int]:
    return {
        "messaging.system": "rabbitmq" if is_amqp(settings()) else "redis",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue_of(task),
        "messaging.batch.message_count": messages,
        "scrip.task": task,
    }


@worker_process_shutdown.connect(weak=False)
def export_last_spans(**_: object) -> None:
    """Export the last spans before this child ends, which ends without Python's own clean-up."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        exporting = Thread(target=flush, daemon=True)
        exporting.start()
        exporting.join(FLUSH_SECONDS)
