"""The runs of `make faults-brokers`: which faults, and in which order."""

from itertools import islice

from tests.faults.kinds import FAULTS
from tests.other_servers.__main__ import in_turn
from tests.other_servers.configurations import CONFIGURATIONS, OTHER_FAULTS


def test_each_fault_of_a_configuration_exists():
    """A misspelt name would end a run at that fault."""
    named = {fault for each in CONFIGURATIONS.values() for fault in each.faults}
    assert named | set(OTHER_FAULTS) <= FAULTS.keys()


def test_the_own_faults_come_first_and_the_seed_orders_the_others():
    """Each comes once in a round."""
    round_of_six = list(islice(in_turn(["a", "b"], ["c", "d", "e", "f"], seed="1", minutes=1), 6))
    assert round_of_six[:2] == ["a", "b"]
    assert set(round_of_six) == set("abcdef")
    assert round_of_six == list(islice(in_turn(["a", "b"], ["c", "d", "e", "f"], seed="1", minutes=1), 6))


def test_one_fault_is_injected_even_without_time():
    """Otherwise a run would prove nothing."""
    assert list(in_turn(["a"], ["b"], seed="1", minutes=-1)) == ["a"]
