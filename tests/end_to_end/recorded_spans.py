"""An SDK of OpenTelemetry for a worker that imports this module: spans go to a file, as lines of JSON.

As an operator's would, the processor exports in a thread, which ends with the fork of each child.
"""

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

# The file, in the environment of the worker.
VARIABLE = "SPANS_FILE"
# So long that only the end of a process exports.
PERIOD_MS = 3_600_000


def line_of(span: ReadableSpan) -> str:
    """Return a span as a line of JSON."""
    return f"{span.to_json(indent=None)}\n"


if VARIABLE in os.environ:
    provider = TracerProvider()
    # It stays open until the process ends.
    file = Path(os.environ[VARIABLE]).open("a")  # noqa: SIM115
    exporter = ConsoleSpanExporter(out=file, formatter=line_of)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=PERIOD_MS))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()
