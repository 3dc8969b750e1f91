"""Missing packages are named, and installed without starting their services."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.other_servers import packages
from tests.other_servers.packages import install, missing_packages, without_services


def test_a_package_is_missing_if_one_of_its_programs_is():
    """It is named once."""
    programs = {"sh": "dash", "no-such-program": "nowhere", "nor-this": "nowhere"}
    assert missing_packages(programs) == ["nowhere"]


def test_only_root_installs_packages(monkeypatch: pytest.MonkeyPatch):
    """Anybody else is told which packages are missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install(["nowhere"]) == "nowhere: not installed, and this is not root with apt-get"


def test_no_service_starts_while_packages_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Debian's tools ask the policy, which answers 101. It is gone afterwards."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    with without_services():
        assert subprocess.run([policy, "redis-server", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_a_policy_of_the_system_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It decides, and is not replaced."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("of the system")
    monkeypatch.setattr(packages, "POLICY", policy)
    with without_services():
        assert policy.read_text() == "of the system"
    assert policy.read_text() == "of the system"
