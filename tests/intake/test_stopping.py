"""A child that ends does not wait long for the worker to read its outcome."""

import billiard.pool
import pytest
from celery.signals import worker_process_init

from worker.intake.stopping import READ_SECONDS, STOP_SECONDS, bound_waiting_for_reader


def test_a_child_waits_for_its_reader_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bound it waits 30 s, so a child that had ended its work was killed in a quarter of the stops."""
    monkeypatch.setattr(billiard.pool, "GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT", 300)
    assert bound_waiting_for_reader in [receiver() for _, receiver in worker_process_init.receivers]
    bound_waiting_for_reader()
    limit, interval = (
        billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT,
        billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL,
    )
    assert limit * interval == pytest.approx(READ_SECONDS)
    assert READ_SECONDS < STOP_SECONDS
