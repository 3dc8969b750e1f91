"""Scenarios of two projects with the same ids in everything, down to those of the database: neither sees the other."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import count

import pytest

from tasks.sweeps.expiry import sweep_all
from tests.projects.calls import Answer, Call, answer_alone
from tests.projects.copied_rows import copy_rows, locked_twins, rows_of
from tests.projects.playing import Told, differences, in_one_batch
from tests.projects.scenarios import billing, managing, redeeming
from tests.projects.scenarios.acts import Act, Acts, calls
from tests.projects.twins import PROJECT, TWIN, as_twin
from tests.support import requests
from tests.support.database_between_tests import empty_database, run_outside_transaction
from tests.support.holds import reserve
from tests.support.requests import add_codes, create_voucher

pytestmark = pytest.mark.usefixtures("database", "impatience")

Scenario = Callable[[], Acts]
SCENARIOS: list[Scenario] = [*redeeming.SCENARIOS, *billing.SCENARIOS, *managing.SCENARIOS]
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)


def answer_one(call: Call) -> list[Answer]:
    """Answer each request of a call by itself."""
    return [answer_alone(call.task, each) for each in call.requests]


def answer_in_one_batch(call: Call) -> list[Answer]:
    """Answer a call in one batch with that of the twin, which comes first."""
    _, own = in_one_batch(Call(call.task, as_twin(call.requests)), call)
    return own


def tell(acts: Sequence[Act], answering: Callable[[Call], list[Answer]] = answer_one) -> list[Told]:
    """Send the acts of the project one by one, and return what was told."""
    return [Told(each, answering(each)) for each in calls(acts)]


def act_as_twin(acts: Sequence[Act]) -> None:
    """Send the acts as the twin."""
    for each in calls(acts):
        answer_one(Call(each.task, as_twin(each.requests)))


def begin(scenario: Scenario) -> Acts:
    """Begin a scenario, with the same ids of requests each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "_numbers", count(1))
        return scenario()


@cache
def alone(scenario: Scenario) -> list[Told]:
    """Return what is told of a scenario in an empty database."""
    empty_database()
    told = tell(begin(scenario).both)
    empty_database()
    return told


@each_scenario
def test_a_project_is_answered_as_if_it_were_alone(scenario: Scenario):
    """Its twin has sent the same before, and is not changed."""
    expected, acts = alone(scenario), begin(scenario)
    copy_rows()
    act_as_twin([*acts.of_twin, *acts.both])
    before = rows_of(TWIN)
    assert differences(expected, tell(acts.both), is_twin=False) == []
    assert rows_of(TWIN) == before


@each_scenario
def test_a_project_in_one_batch_with_another_is_answered_as_if_it_were_alone(scenario: Scenario):
    """The requests of its twin are in the same batches."""
    expected, acts = alone(scenario), begin(scenario)
    copy_rows()
    act_as_twin(acts.of_twin)
    assert differences(expected, tell(acts.both, answer_in_one_batch), is_twin=False) == []


@each_scenario
def test_a_project_that_acts_first_is_answered_as_if_it_were_alone(scenario: Scenario):
    """The twin has not acted yet, so its rows have the same values as those that change, and do not change."""
    expected, acts = alone(scenario), begin(scenario)
    copy_rows()
    before = rows_of(TWIN)
    assert differences(expected, tell(acts.both), is_twin=False) == []
    assert rows_of(TWIN) == before


@each_scenario
def test_a_project_waits_for_no_lock_of_another(scenario: Scenario):
    """All rows of its twin are locked."""
    expected, acts = alone(scenario), begin(scenario)
    copy_rows()
    with locked_twins():
        assert differences(expected, tell(acts.both), is_twin=False) == []


def lapse_of_twin() -> None:
    """Let nine days pass for the holds of the twin."""
    older = ", ".join(f"{each} = {each} - interval '9 days'" for each in ("effective_at", "created_at", "expires_at"))
    run_outside_transaction(f"UPDATE holds SET {older} WHERE project = '{TWIN}'")  # noqa: S608 - our own columns


def test_a_hold_of_the_same_id_that_has_lapsed_is_left_to_its_project():
    """The project's keeps the place on its subscription, and the twin's is not closed."""
    voucher = create_voucher()["id"]
    reserve(voucher=voucher, subscription="sub_1")
    copy_rows()
    lapse_of_twin()
    before = rows_of(TWIN)
    assert reserve(voucher=voucher, subscription="sub_1")["reason"] == "fully_reserved"
    assert reserve(voucher=voucher)["outcome"] == "accepted"
    assert rows_of(TWIN) == before


def test_a_sweep_changes_what_is_due_and_nothing_of_the_same_id():
    """All of the twin's is due, and nothing of the project's."""
    voucher = create_voucher(code="OLD", restrictions={"expiresAt": "2099-01-01T00:00:00Z"})
    add_codes(voucher, {"code": "VIP", "expiresAt": "2098-01-01T00:00:00Z"})
    reserve(voucher=voucher["id"])
    copy_rows()
    run_outside_transaction(
        *(f"UPDATE {table} SET expires_at = created_at WHERE project = '{TWIN}'" for table in ("vouchers", "codes")),  # noqa: S608 - our own tables
    )
    lapse_of_twin()
    before = rows_of(PROJECT)
    answer = sweep_all(batch_size=10)
    assert (answer["expired"], answer["codesExpired"], answer["holdsLapsed"]) == (1, 2, 1)
    assert rows_of(PROJECT) == before
