"""Workers are killed at random moments under full load: every message is answered, and has one effect.

The database's constraints refuse a second effect, and the audit after each test looks for one too.
"""

from pathlib import Path

import pytest

from tests.loss.fault_injection import FEW, MANY, Fault, workers_under_load

SEED = 20_261_122
KILLS = 200
# kombu's own transport loses messages in this number of kills.
CONTROL_KILLS = 40
# The number of waiting requests, more than a worker redeems in the half second between two faults.
BACKLOG = {FEW: 500, MANY: 3_000}


def assert_answered_once(
    database: dict[str, str], folder: Path, *, faults: list[Fault], workers: int = 1, prefetch_multiplier: int = FEW
) -> None:
    """Inject the faults, and check that each request has one answer and one effect."""
    with workers_under_load(
        database, folder, seed=SEED, workers=workers, prefetch_multiplier=prefetch_multiplier
    ) as injection:
        injection.inject_all(faults, backlog=BACKLOG[prefetch_multiplier])
        assert injection.lost() == []
        assert sorted(injection.answered()) == sorted(injection.sent)
        assert injection.redeemed() == len(injection.sent)


@pytest.mark.slow
def test_nothing_is_lost_whatever_dies(database: dict[str, str], tmp_path: Path) -> None:
    """The short version: each kind of fault once. The messages of a killed child are retried after seconds."""
    faults = [Fault.CHILD, Fault.WORKER, Fault.CONNECTIONS, Fault.BROKER]
    assert_answered_once(database, tmp_path, faults=faults)


@pytest.mark.scale
def test_two_hundred_killed_workers_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """The worker is killed together with its children, as in a power failure."""
    assert_answered_once(database, tmp_path, faults=[Fault.WORKER] * KILLS)


@pytest.mark.scale
def test_two_hundred_killed_children_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """Only a child is killed, and the worker starts another."""
    assert_answered_once(database, tmp_path, faults=[Fault.CHILD] * KILLS)


@pytest.mark.scale
def test_workers_that_are_killed_over_full_batches_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """Each killed worker or child held hundreds of messages."""
    faults = [Fault.WORKER, Fault.CHILD] * 25
    assert_answered_once(database, tmp_path, faults=faults, prefetch_multiplier=MANY)


@pytest.mark.scale
def test_connections_that_are_cut_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """All connections to the broker are cut at once, during fetches and acknowledgements."""
    assert_answered_once(database, tmp_path, faults=[Fault.CONNECTIONS] * 100)


@pytest.mark.scale
def test_a_broker_that_is_killed_loses_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """The broker starts again with the data of its append-only file."""
    assert_answered_once(database, tmp_path, faults=[Fault.BROKER] * 50)


@pytest.mark.scale
def test_two_workers_that_are_killed_in_turn_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """A worker gets the messages of the dead one, which starts again meanwhile."""
    faults = [Fault.WORKER, Fault.WORKER, Fault.CHILD, Fault.CONNECTIONS] * 25
    assert_answered_once(database, tmp_path, faults=faults, workers=2)


@pytest.mark.scale
def test_the_stock_transport_loses_messages(database: dict[str, str], tmp_path: Path) -> None:
    """The control: the same faults with kombu's own transport. Without a loss here, the tests above prove nothing."""
    with workers_under_load(database, tmp_path, seed=SEED, transport="stock") as injection:
        injection.inject_all([Fault.WORKER] * CONTROL_KILLS, backlog=BACKLOG[FEW])
        assert injection.lost() != []
