"""Two projects with the same ids in everything, down to those that the database makes: neither sees the other."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tasks.redemptions.messages import Redeem, Reserve
from tasks.redemptions.redeem import redeem_all
from tasks.redemptions.reserve import reserve_all
from tasks.sweeps.expiry import sweep_all
from tests.contract.page import DERIVED, IDENTITY
from tests.projects import billing, managing, redeeming
from tests.projects.acts import Act, Acts
from tests.support import requests
from tests.support.database_between_tests import empty_database, run_outside_transaction
from tests.support.holds import reserve
from tests.support.requests import add_codes, create_voucher
from tests.support.tasks import task_named
from tests.support.twin import PROJECT, TWIN, add_twin, locked_rows, rows_of
from worker.database import run_in_transaction

pytestmark = pytest.mark.usefixtures("database")

SCENARIOS: list[Callable[[], Acts]] = [*redeeming.SCENARIOS, *billing.SCENARIOS, *managing.SCENARIOS]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# The tasks that decide requests of several projects in one batch.
TOGETHER: dict[str, tuple[Any, Callable[..., list[Any]]]] = {
    "redemptions.redeem": (Redeem, redeem_all),
    "redemptions.reserve": (Reserve, reserve_all),
    "billing.apply": (Apply, apply_all),
}


def of(project: str, act: Act) -> Act:
    """Return the act of a project."""
    task, request = act
    return task, {**request, "project": project}


def answers(acts: Sequence[Act], *, project: str) -> list[Any]:
    """Send the requests of a project one by one, and return the answers."""
    return [task_named(task)(request=request) for task, request in (of(project, each) for each in acts)]


def answers_together(acts: Sequence[Act]) -> list[Any]:
    """Send each request of both projects, in one batch if the task has batches, and return the project's answers."""
    found = []
    for task, request in acts:
        if task in TOGETHER:
            found.append(answer_together(task, request))
        else:
            _, answer = (task_named(task)(request={**request, "project": each}) for each in (TWIN, PROJECT))
            found.append(answer)
    return found


def answer_together(task: str, request: dict[str, Any]) -> Any:
    """Decide a request of both projects in one batch, and return the project's answer."""
    message, decide = TOGETHER[task]
    batch = [message.model_validate({**request, "project": each}) for each in (TWIN, PROJECT)]
    return run_in_transaction(lambda session: decide(session, batch))[1]


def neutral(found: list[Any]) -> list[Any]:
    """Return answers with numbers for ids, and without instants."""
    numbers: dict[str, str] = {}
    numbered = IDENTITY.sub(lambda id_: numbers.setdefault(id_[0], f"id-{len(numbers)}"), json.dumps(found))
    neutral_answers: list[Any] = json.loads(INSTANT.sub("instant", DERIVED.sub("derived", numbered)))
    return neutral_answers


def alone(scenario: Callable[[], Acts], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the answers of a project without a twin, and begin anew."""
    monkeypatch.setattr(requests, "_numbers", count(1))
    found = neutral(answers(scenario().both, project=PROJECT))
    empty_database()
    monkeypatch.setattr(requests, "_numbers", count(1))
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_a_project_is_answered_as_if_it_were_alone(scenario: Callable[[], Acts], monkeypatch: pytest.MonkeyPatch):
    """Its twin has sent the same before, and is not changed."""
    expected = alone(scenario, monkeypatch)
    acts = scenario()
    add_twin()
    answers([*acts.of_twin, *acts.both], project=TWIN)
    before = rows_of(TWIN)
    assert neutral(answers(acts.both, project=PROJECT)) == expected
    assert rows_of(TWIN) == before


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_a_project_in_one_batch_with_another_is_answered_as_if_it_were_alone(
    scenario: Callable[[], Acts], monkeypatch: pytest.MonkeyPatch
):
    """The requests of its twin are in the same batches."""
    expected = alone(scenario, monkeypatch)
    acts = scenario()
    add_twin()
    answers(acts.of_twin, project=TWIN)
    assert neutral(answers_together(acts.both)) == expected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_a_project_that_acts_first_is_answered_as_if_it_were_alone(
    scenario: Callable[[], Acts], monkeypatch: pytest.MonkeyPatch
):
    """The twin has not acted yet, so its rows have the same values as those that change, and do not change."""
    expected = alone(scenario, monkeypatch)
    acts = scenario()
    add_twin()
    before = rows_of(TWIN)
    assert neutral(answers(acts.both, project=PROJECT)) == expected
    assert rows_of(TWIN) == before


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_a_project_waits_for_no_lock_of_another(scenario: Callable[[], Acts]):
    """All rows of its twin are locked."""
    acts = scenario()
    add_twin()
    with locked_rows(TWIN):
        answers(acts.both, project=PROJECT)


def lapse_of_twin() -> None:
    """Let nine days pass for the holds of the twin."""
    older = ", ".join(f"{each} = {each} - interval '9 days'" for each in ("effective_at", "created_at", "expires_at"))
    run_outside_transaction(f"UPDATE holds SET {older} WHERE project = '{TWIN}'")  # noqa: S608 - our own columns


def test_a_hold_of_the_same_id_that_has_lapsed_is_left_to_its_project():
    """The project's keeps the place on its subscription, and the twin's is not closed."""
    voucher = create_voucher()["id"]
    reserve(voucher=voucher, subscription="sub_1")
    add_twin()
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
    add_twin()
    run_outside_transaction(
        *(f"UPDATE {table} SET expires_at = created_at WHERE project = '{TWIN}'" for table in ("vouchers", "codes")),  # noqa: S608 - our own tables
    )
    lapse_of_twin()
    before = rows_of(PROJECT)
    answer = sweep_all(batch_size=10)
    assert (answer["expired"], answer["codesExpired"], answer["holdsLapsed"]) == (1, 2, 1)
    assert rows_of(PROJECT) == before
