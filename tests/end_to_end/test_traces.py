"""A worker with an SDK of OpenTelemetry records its batches, and passes traces on."""

import json
from pathlib import Path

import pytest

from tests.end_to_end import recorded_spans
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption

# A database of Valkey.
TRACED = 7
REDEEM = "redemptions.redeem"
# By W3C: version, trace, span, flags.
TRACES = [f"{number:032x}" for number in (0xA, 0xB, 0xC)]
SPAN = f"{0xD:016x}"


@pytest.mark.slow
def test_the_children_of_a_worker_record_and_export_their_batches(database: dict[str, str], tmp_path: Path) -> None:
    """Before they end. Each message's trace is linked, or a parent, and its callback stays in the trace."""
    file = tmp_path / "spans"
    variables = with_redis(database, number=TRACED) | {recorded_spans.VARIABLE: str(file), "SCRIP_ALLOW_CANVAS": "true"}
    worker = Worker(folder=tmp_path / "worker", environment=variables)
    worker.words = (*worker.words, "--include", recorded_spans.__name__)
    with worker, Client(variables) as client:
        worker.wait_ready()
        voucher = created_voucher(client)
        follows = client.app.signature("shop.note", immutable=True, queue="shop")
        sent = [
            client.send(
                REDEEM, redemption(voucher=voucher), headers={"traceparent": f"00-{each}-{SPAN}-01"}, link=follows
            )
            for each in TRACES
        ]
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        worker.wait_until_acknowledged()
        followers = [json.loads(each)["headers"] for each in client.broker.redis.lrange("shop", 0, -1)]
        client.broker.redis.delete("shop")
        assert worker.stop() == 0, worker.log
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    batches = [each for each in spans if each["name"] == f"process {REDEEM}"]
    linked = sorted(link["context"]["trace_id"] for each in batches for link in each["links"])
    assert linked == [f"0x{each}" for each in TRACES]
    assert sum(each["attributes"]["scrip.outcome.accepted"] for each in batches) == len(TRACES)
    assert sorted(each["traceparent"].split("-")[1] for each in followers) == TRACES
    assert {each["name"] for each in spans} >= {f"process {REDEEM}", "process vouchers.create"}
