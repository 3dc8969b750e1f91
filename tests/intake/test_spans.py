"""A batch has one span with links to the traces of its messages, and what follows a message stays in its trace."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode
from opentelemetry.util._once import Once

from tasks.wire.errors import Undecided
from tests.intake.deliveries import REDEEM, batch, delivery
from worker.intake.batch import decide_in_child
from worker.intake.delivery import Delivery, Fate, Outcome
from worker.intake.spans import HEADER_LENGTH_MAX, has_sdk, span_of_batch, trace_headers_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record spans in memory, with the public instrumentation of Celery. A process can do this once only."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()
    yield exporter
    CeleryInstrumentor().uninstrument()


def sent(deliveries: list[Delivery]) -> tuple[list[Delivery], list[SpanContext]]:
    """Return the messages as instrumented senders send them, each in its own trace, and the spans of the senders."""
    origins, traced = [], []
    for each in deliveries:
        with trace.get_tracer("shop").start_as_current_span("checkout", context=context.Context()) as span:
            headers: dict[str, Any] = {"id": each.id, "task": REDEEM}
            propagate.inject(headers)
        origins.append(span.get_span_context())
        traced.append(each._replace(trace=trace_headers_of(headers)))
    return traced, origins


def spans_of(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """Return the ended spans of that name."""
    return [each for each in exporter.get_finished_spans() if each.name == name]


def test_a_batch_has_a_span_with_a_link_to_each_message(exporter: InMemorySpanExporter) -> None:
    """Its attributes have counts, and no value of a request."""
    traced, origins = sent([*batch(3), delivery({"project": "gigs"}, number=3)])
    exporter.clear()
    decide_in_child(REDEEM, [*traced, delivery({"project": "gigs"}, number=4)], "")
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, span.parent) == (f"process {REDEEM}", SpanKind.CONSUMER, None)
    assert [link.context.span_id for link in span.links] == [each.span_id for each in origins]
    assert [dict(link.attributes or {}) for link in span.links] == [
        {"messaging.message.id": each.id} for each in traced
    ]
    assert dict(span.attributes or {}) == {
        "messaging.system": "redis",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "redemptions",
        "messaging.batch.message_count": 5,
        "scrip.task": REDEEM,
        "scrip.outcome.accepted": 3,
        "scrip.outcome.failed.InvalidRequest": 2,
    }
    assert span.status.status_code is StatusCode.UNSET


def test_a_message_alone_is_the_parent_of_its_span(exporter: InMemorySpanExporter) -> None:
    """So a task that is not gathered is in the trace of its sender."""
    traced, (origin,) = sent(batch(1))
    decide_in_child(REDEEM, traced, "")
    (span,) = spans_of(exporter, f"process {REDEEM}")
    assert span.parent
    assert (span.parent.trace_id, span.parent.span_id) == (origin.trace_id, origin.span_id)
    assert [link.context.span_id for link in span.links] == [origin.span_id]


def test_a_batch_that_fails_says_so_without_the_errors_text(exporter: InMemorySpanExporter) -> None:
    """The text may quote values of a request."""
    with pytest.raises(RuntimeError), span_of_batch(REDEEM, batch(2)):
        raise RuntimeError("SECRET")
    (span,) = exporter.get_finished_spans()
    assert "SECRET" not in span.to_json()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "RuntimeError"


@pytest.mark.parametrize("count", [1, 2])
def test_what_follows_a_message_stays_in_the_trace_of_its_sender(exporter: InMemorySpanExporter, count: int) -> None:
    """Also if the task that follows is another program's, for which the instrumentation ends no span."""
    traced, origins = sent(batch(count))
    follower: dict[str, Any] = {"args": [], "kwargs": {}, "subtask_type": None, "immutable": True}
    others = [{**follower, "task": name, "options": {"queue": "followers"}} for name in ("shop.note", "vouchers.list")]
    decided = decide_in_child(REDEEM, [each._replace(followers={"callbacks": others}) for each in traced], "")
    assert {each.fate for each in decided.outcomes} == {Fate.SUCCEEDED}
    (of_batch,) = spans_of(exporter, f"process {REDEEM}")
    sent_on = spans_of(exporter, "apply_async/vouchers.list")
    assert sorted(each.context.trace_id for each in sent_on) == sorted(each.trace_id for each in origins)
    assert (of_batch.context.trace_id in {each.trace_id for each in origins}) is (count == 1)
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_trace_goes_on_without_an_sdk(database: dict[str, str]) -> None:
    """The headers of a message are those of the tasks that follow it."""
    assert not has_sdk()
    trace_headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "shop=1"}
    follower = {"task": "shop.note", "args": [], "kwargs": {}, "options": {"queue": "shop"}, "immutable": True}
    (alone,) = batch(1)
    decide_in_child(REDEEM, [alone._replace(trace=trace_headers, followers={"callbacks": [follower]})], "")
    with Celery(broker=database["REDIS_URL"], set_as_current=False).connection_for_read() as connection:
        message = json.loads(connection.default_channel.client.rpop("shop"))
    assert {name: message["headers"][name] for name in trace_headers} == trace_headers


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"traceparent": None, "tracestate": 7, "baggage": ["a"]}, None),
        ({"traceparent": "x" * (HEADER_LENGTH_MAX + 1), "tracestate": "a=b"}, {"tracestate": "a=b"}),
        ({"traceparent": "no trace", "other": "left out"}, {"traceparent": "no trace"}),
    ],
)
def test_a_sender_may_write_anything_into_the_headers_of_a_trace(
    exporter: InMemorySpanExporter, headers: dict[str, Any], found: dict[str, str] | None
) -> None:
    """The batch is decided, without a link."""
    assert trace_headers_of(headers) == found
    deliveries = [each._replace(trace=found) for each in batch(2)]
    assert {each.fate for each in decide_in_child(REDEEM, deliveries, "").outcomes} == {Fate.SUCCEEDED}
    (span,) = exporter.get_finished_spans()
    assert not span.links


def test_messages_that_are_tried_again_count_in_the_span(exporter: InMemorySpanExporter) -> None:
    """By their cause. The span has the status of an error."""
    with span_of_batch(REDEEM, batch(3)) as span:
        assert span
        span.note([Outcome(Fate.SUCCEEDED, shown="accepted"), *[Outcome(Fate.TRY_AGAIN, error=Undecided("no"))] * 2])
    (ended,) = exporter.get_finished_spans()
    attributes = ended.attributes or {}
    assert (attributes["scrip.outcome.accepted"], attributes["scrip.retried.undecided"]) == (1, 2)
    assert ended.status.status_code is StatusCode.ERROR


class FailingProcessor(SpanProcessor):
    """A part of an SDK that raises at the start or at the end of a span."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:  # noqa: ARG002 - as the SDK calls it
        """Raise an error at the start."""
        if self.moment == "start":
            raise RuntimeError("SECRET")

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - as the SDK calls it
        """Raise an error at the end."""
        if self.moment == "end":
            raise RuntimeError("SECRET")


@pytest.mark.usefixtures("exporter")
@pytest.mark.parametrize("moment", ["start", "end"])
def test_a_batch_is_decided_although_the_sdk_fails(moment: str, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise its messages would run again for ever, and the queue behind them would stop."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(FailingProcessor(moment))
    decided = decide_in_child(REDEEM, batch(2), "")
    assert {each.fate for each in decided.outcomes} == {Fate.SUCCEEDED}
    assert "a span could not be recorded: RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.usefixtures("exporter")
def test_a_batch_is_decided_although_a_propagator_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender's header may be one that the chosen propagator cannot read."""

    def fail(*_: object, **__: object) -> None:
        raise ValueError("SECRET")

    monkeypatch.setattr(propagate, "extract", fail)
    deliveries = [each._replace(trace={"traceparent": "x"}) for each in batch(2)]
    assert {each.fate for each in decide_in_child(REDEEM, deliveries, "").outcomes} == {Fate.SUCCEEDED}
