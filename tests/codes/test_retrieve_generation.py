"""`generations.retrieve`: the progress of a generation, by its id or by the id of its request."""

from functools import partial
from typing import Any

import pytest

from tasks.codes.generate import add_chunk, begin_generation
from tasks.codes.messages import GenerateCodes
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from worker.database import run_in_transaction

pytestmark = pytest.mark.usefixtures("database")


def retrieve(**fields: Any) -> dict[str, Any]:
    """Retrieve a generation of the project."""
    answer: dict[str, Any] = task_named("generations.retrieve")(request={"project": "gigs", **fields})
    return answer


def test_a_completed_generation_is_shown_as_it_was_answered():
    """By either id."""
    request = {"project": "gigs", "voucher": create_voucher()["id"], "count": 3, "requestId": "codes-1"}
    answered = task_named("vouchers.generate_codes")(request=request)
    assert retrieve(requestId="codes-1") == retrieve(generation=answered["id"]) == answered


def test_a_generation_that_was_interrupted_shows_its_progress():
    """Between two chunks."""
    request = GenerateCodes.model_validate(
        {"project": "gigs", "voucher": create_voucher()["id"], "count": 5, "requestId": "codes-1"}
    )
    begun = run_in_transaction(partial(begin_generation, request=request, delivery=None))
    assert (retrieve(requestId="codes-1")["generated"], retrieve(requestId="codes-1")["status"]) == (0, "generating")
    run_in_transaction(partial(add_chunk, request=request, generation_id=begun.id, size=2))
    shown = retrieve(requestId="codes-1")
    assert (shown["count"], shown["generated"], shown["status"]) == (5, 2, "generating")


@pytest.mark.parametrize("named", [{"requestId": "codes-2"}, {"generation": "gen_01m802aq92e78rshs8mnssdx40"}])
def test_an_unknown_generation_is_not_found(named):
    """By either id."""
    with pytest.raises(NotFound):
        retrieve(**named)


def test_a_generation_of_another_project_is_not_found():
    """By either id."""
    request = {"project": "gigs", "voucher": create_voucher()["id"], "count": 1, "requestId": "codes-1"}
    answered = task_named("vouchers.generate_codes")(request=request)
    for named in ({"requestId": "codes-1"}, {"generation": answered["id"]}):
        with pytest.raises(NotFound):
            retrieve(**named, project="other")


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"requestId"}),
        ({"requestId": "codes-1", "generation": "gen_01m802aq92e78rshs8mnssdx40"}, {"requestId"}),
        ({"generation": "codes-1"}, {"generation", "requestId"}),
    ],
)
def test_exactly_one_id_is_needed(fields, bad):
    """The other field is checked too."""
    with pytest.raises(InvalidRequest) as error:
        retrieve(**fields)
    assert {each["field"] for each in error.value.errors} <= bad
