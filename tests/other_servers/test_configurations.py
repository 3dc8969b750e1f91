"""The runs of `make faults-brokers`: which faults, in which order, and what becomes of missing packages."""

import os
from itertools import islice

import pytest

from tests.faults.kinds import FAULTS
from tests.other_servers.__main__ import in_turn
from tests.other_servers.configurations import CONFIGURATIONS, OTHER_FAULTS
from tests.other_servers.packages import install, missing_packages


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


def test_a_package_is_missing_if_one_of_its_programs_is():
    """It is named once."""
    programs = {"sh": "dash", "no-such-program": "nowhere", "nor-this": "nowhere"}
    assert missing_packages(programs) == ["nowhere"]


def test_only_root_installs_packages(monkeypatch: pytest.MonkeyPatch):
    """Anybody else is told which packages are missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install(["nowhere"]) == "nowhere: not installed, and this is not root with apt-get"
