"""Workers that are killed at random moments under full load: every message is answered, and has one effect.

What is doubled the database refuses by its constraints, and the audit afterwards looks for it once more.
"""

from pathlib import Path

import pytest

from tests.loss.siege import FEW, MANY, Blow, siege

SEED = 20_261_122
KILLS = 200
# kombu's own transport loses some in every few.
CONTROL_KILLS = 40
# A worker redeems for less than half a second between two strikes.
BACKLOG = {FEW: 500, MANY: 3_000}


def assert_answered_once(
    database: dict[str, str], folder: Path, *, blows: list[Blow], workers: int = 1, credit: int = FEW
) -> None:
    """This function will strike workers, and check that each request has one answer."""
    with siege(database, folder, seed=SEED, workers=workers, credit=credit) as besieged:
        besieged.endure(blows, backlog=BACKLOG[credit])
        assert besieged.lost() == []
        assert sorted(besieged.answered()) == sorted(besieged.sent)
        assert besieged.redeemed() == len(besieged.sent)


def test_nothing_is_lost_whatever_dies(database: dict[str, str], tmp_path: Path) -> None:
    """The short version: each kind of blow at a worker under load. What a child held is tried again after seconds."""
    blows = [Blow.CHILD, Blow.WORKER, Blow.CONNECTIONS, Blow.BROKER]
    assert_answered_once(database, tmp_path, blows=blows)


@pytest.mark.scale
def test_two_hundred_killed_workers_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """The worker with its children at once, as a machine that loses its power."""
    assert_answered_once(database, tmp_path, blows=[Blow.WORKER] * KILLS)


@pytest.mark.scale
def test_two_hundred_killed_children_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """A child alone; the worker starts another one."""
    assert_answered_once(database, tmp_path, blows=[Blow.CHILD] * KILLS)


@pytest.mark.scale
def test_workers_that_are_killed_over_full_batches_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """Hundreds of messages go down with each of them."""
    blows = [Blow.WORKER, Blow.CHILD] * 25
    assert_answered_once(database, tmp_path, blows=blows, credit=MANY)


@pytest.mark.scale
def test_connections_that_are_cut_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """All connections to the broker at once, with takes and acknowledgements on their way."""
    assert_answered_once(database, tmp_path, blows=[Blow.CONNECTIONS] * 100)


@pytest.mark.scale
def test_a_broker_that_is_killed_loses_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """It starts again on its append-only file."""
    assert_answered_once(database, tmp_path, blows=[Blow.BROKER] * 50)


@pytest.mark.scale
def test_two_workers_that_are_killed_in_turn_lose_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """The other one gets what the dead one held, while it comes back itself."""
    blows = [Blow.WORKER, Blow.WORKER, Blow.CHILD, Blow.CONNECTIONS] * 25
    assert_answered_once(database, tmp_path, blows=blows, workers=2)


@pytest.mark.scale
def test_the_stock_transport_loses_messages(database: dict[str, str], tmp_path: Path) -> None:
    """The control: the same strikes, and kombu's own way of taking. A siege that sees no loss here sees none at all."""
    with siege(database, tmp_path, seed=SEED, transport="stock") as besieged:
        besieged.endure([Blow.WORKER] * CONTROL_KILLS, backlog=BACKLOG[FEW])
        assert besieged.lost() != []
