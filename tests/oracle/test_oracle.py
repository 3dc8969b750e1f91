"""The program answers random invoices as the oracle does, which was written from docs/contract.md alone."""

import pytest

from tests.oracle.playing import scenarios


def play(seed: int, *, invoices: int) -> None:
    """Play scenarios of a seed until so many different invoices were decided."""
    decided = 0
    for scenario in scenarios(seed):
        decided += scenario.play()
        if decided >= invoices:
            return


@pytest.mark.usefixtures("database")
def test_the_oracle_agrees_on_two_hundred_invoices():
    """The seed is none of the ten of the long run."""
    play(0, invoices=200)


@pytest.mark.scale
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_oracle_agrees_on_twenty_thousand_invoices(seed):
    """Two thousand for each of ten seeds."""
    play(seed, invoices=2_000)
