"""Lists of vouchers in the format of Gigs."""

import pytest

from tasks.foreign.gigs import ListGigsVouchers
from tests.foreign.gigs import PERCENTAGE, reference
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_list_is_answered_with_exactly_their_fields_newest_first():
    """By default it has up to ten available vouchers. The positions are those of the last and the first item."""
    made = [task_named("gigs.vouchers.create")(request=PERCENTAGE) for _ in range(12)][::-1]
    task_named("gigs.vouchers.retire")(request=reference(made.pop(0)))
    page = task_named("gigs.vouchers.list")(request={"project": "gigs"})
    assert page == {
        "object": "list",
        "items": made[:10],
        "moreItemsAfter": made[9]["id"],
        "moreItemsBefore": None,
    }
    last = task_named("gigs.vouchers.list")(request={"project": "gigs", "after": page["moreItemsAfter"], "limit": 200})
    assert (last["items"], last["moreItemsAfter"], last["moreItemsBefore"]) == (made[10:], None, made[10]["id"])
    first = task_named("gigs.vouchers.list")(
        request={"project": "gigs", "before": last["moreItemsBefore"], "limit": 10}
    )
    assert first == page


@pytest.mark.parametrize("status", [["available", "retired"], "available,retired"])
def test_a_list_takes_statuses_as_a_list_and_as_it_is_written_in_a_url(status):
    """A URL separates the statuses with commas."""
    made = [task_named("gigs.vouchers.create")(request=PERCENTAGE) for _ in range(2)]
    retired = task_named("gigs.vouchers.retire")(request=reference(made[0]))
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "status": status})["items"] == [
        made[1],
        retired,
    ]
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "status": ["retired"]})["items"] == [retired]


@pytest.mark.parametrize("status", [[], ""])
def test_an_empty_list_of_statuses_is_the_default(status):
    """In a URL, it is a parameter without a value."""
    made = [task_named("gigs.vouchers.create")(request=PERCENTAGE) for _ in range(2)]
    task_named("gigs.vouchers.retire")(request=reference(made[0]))
    page = task_named("gigs.vouchers.list")(request={"project": "gigs", "status": status})
    assert page["items"] == [made[1]]


def test_a_list_finds_a_code_that_another_door_gave():
    """A body of Gigs has no code, but the list can be filtered by code."""
    create_voucher(code="OTHER")
    ours = create_voucher(code="SummerCode")
    page = task_named("gigs.vouchers.list")(request={"project": "gigs", "code": "summercode"})
    assert page["items"] == [task_named("gigs.vouchers.retrieve")(request=reference(ours))]


def test_a_list_takes_their_parameters_and_no_others():
    """Ours has more."""
    assert set(ListGigsVouchers.model_fields) == {"project", "status", "code", "after", "before", "limit"}


def test_a_limit_of_none_at_all_is_an_empty_page():
    """The documented range of `limit` starts at 0."""
    task_named("gigs.vouchers.create")(request=PERCENTAGE)
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "limit": 0})["items"] == []
