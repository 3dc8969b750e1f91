"""The settings: nothing secret has a default, and what is missing is told in one clear line."""

import pytest

from worker.settings import Settings, settings

ADDRESSES = {"DATABASE_URL": "postgresql://somewhere/scrip", "REDIS_URL": "redis://somewhere/0"}
VARIABLES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "SCRIP_BEAT_SCHEDULE_FILE")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch):
    """No variable of the stack that the other tests use."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """This function will read the settings with those variables set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return settings.__wrapped__()


def test_one_address_serves_as_broker_and_result_backend(monkeypatch):
    """Unless they have their own."""
    values = read(monkeypatch, **ADDRESSES)
    assert values.broker_url == values.result_backend_url == ADDRESSES["REDIS_URL"]
    values = read(monkeypatch, BROKER_URL="amqp://elsewhere", RESULT_BACKEND_URL="redis://elsewhere/1")
    assert (values.broker_url, values.result_backend_url) == ("amqp://elsewhere", "redis://elsewhere/1")


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_a_missing_address_ends_the_start_with_one_clear_line(monkeypatch, missing):
    """It names the variable and no value."""
    given = {name: value for name, value in ADDRESSES.items() if name != missing}
    with pytest.raises(SystemExit, match=missing) as ended:
        read(monkeypatch, **given)
    assert "\n" not in str(ended.value)
    assert "somewhere" not in str(ended.value)


def test_an_empty_address_is_a_missing_one(monkeypatch):
    """As a compose file passes on what was not set."""
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        read(monkeypatch, **{**ADDRESSES, "DATABASE_URL": ""})


def test_a_number_out_of_range_is_told_by_the_name_of_its_variable(monkeypatch):
    """Not by what it is called inside."""
    with pytest.raises(SystemExit, match="SCRIP_WORKER_CONCURRENCY"):
        read(monkeypatch, **ADDRESSES, SCRIP_WORKER_CONCURRENCY="0")


def test_the_grace_is_fifteen_minutes_and_can_be_set(monkeypatch):
    """As the contract says."""
    assert read(monkeypatch, **ADDRESSES).requested_at_grace_seconds == 15 * 60
    assert read(monkeypatch, SCRIP_REQUESTED_AT_GRACE_SECONDS="60").requested_at_grace_seconds == 60


def test_nothing_is_delivered_again_while_it_may_wait_for_a_lock(monkeypatch):
    """It would look as if its worker had died over it, three times, and be given up."""
    with pytest.raises(SystemExit) as ended:
        read(monkeypatch, **ADDRESSES, SCRIP_VISIBILITY_TIMEOUT_SECONDS="20", SCRIP_LOCK_TIMEOUT_SECONDS="20")
    said = "SCRIP_VISIBILITY_TIMEOUT_SECONDS must be longer than SCRIP_LOCK_TIMEOUT_SECONDS"
    assert str(ended.value) == f"scrip: the environment is not as it must be: {said}"
