"""List vouchers: order, cursors and filters."""

from typing import Any
from uuid import UUID

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def page(**fields: Any) -> dict[str, Any]:
    """List vouchers of the project."""
    answer: dict[str, Any] = task_named("vouchers.list")(request={"project": "gigs", **fields})
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    """Return the ids on a page in their order."""
    return [item["id"] for item in answer["items"]]


def created(how_many: int, **fields: Any) -> list[str]:
    """Create vouchers, and return their ids, newest first."""
    return [create_voucher(**fields)["id"] for _ in range(how_many)][::-1]


def retired(how_many: int, **fields: Any) -> list[str]:
    """Create vouchers, retire them, and return their ids, newest first."""
    made = []
    for _ in range(how_many):
        made.append(create_voucher(**fields)["id"])
        task_named("vouchers.retire")(request={"project": "gigs", "voucher": made[-1]})
    return made[::-1]


def test_vouchers_are_listed_newest_first_as_they_are_retrieved():
    """Each item has every field of a retrieved voucher."""
    made = created(3, code=None, restrictions={"maximumRedemptions": 3}, metadata={"a": 1})
    answer = page()
    assert answer["object"] == "list"
    assert answer["items"] == [
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": each}) for each in made
    ]
    assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


def test_nothing_is_listed_on_an_empty_database():
    """There are no cursors either."""
    assert page() == {"object": "list", "items": [], "moreItemsAfter": None, "moreItemsBefore": None}


def test_a_page_holds_ten_unless_said_otherwise():
    """The default is that of Gigs."""
    made = created(11)
    answer = page()
    assert ids(answer) == made[:10]
    assert answer["moreItemsAfter"] == made[9]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_pages_after_each_other_hold_everything_once(size):
    """The last page may be full or not."""
    made = created(6)
    walked, answer = [], page(limit=size)
    while True:
        walked.extend(ids(answer))
        assert answer["moreItemsBefore"] == (ids(answer)[0] if ids(answer)[0] != made[0] else None)
        if answer["moreItemsAfter"] is None:
            break
        assert answer["moreItemsAfter"] == ids(answer)[-1]
        answer = page(limit=size, after=answer["moreItemsAfter"])
    assert walked == made


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_pages_before_each_other_hold_everything_once_and_newest_first(size):
    """The pages go from the oldest voucher back to the newest."""
    made = created(6)
    walked, answer = made[-1:], page(limit=size, before=made[-1])
    while True:
        walked = ids(answer) + walked
        assert answer["moreItemsAfter"] == ids(answer)[-1]
        if answer["moreItemsBefore"] is None:
            break
        assert answer["moreItemsBefore"] == ids(answer)[0]
        answer = page(limit=size, before=answer["moreItemsBefore"])
    assert walked == made


def test_before_is_the_page_next_to_the_position():
    """That is not the first page of the list."""
    made = created(6)
    assert ids(page(limit=2, before=made[4])) == made[2:4]


def test_a_walk_is_stable_while_vouchers_are_being_created():
    """No voucher is listed twice, no old voucher is missed, and new vouchers come before the first page."""
    made = created(5)
    first = page(limit=2)
    new = created(3)
    second = page(limit=2, after=first["moreItemsAfter"])
    newest = created(1)
    third = page(limit=2, after=second["moreItemsAfter"])
    assert ids(first) + ids(second) + ids(third) == made
    back = page(limit=4, before=ids(second)[0])
    assert ids(back) == new[1:] + made[:2]
    assert ids(page(limit=4, before=back["moreItemsBefore"])) == newest + new[:1]


@pytest.mark.parametrize("direction", ["after", "before"])
def test_a_cursor_is_a_position_whether_or_not_its_voucher_is_there(direction):
    """The voucher belongs to another project, does not exist, or has another status now."""
    older = created(2)
    position = {
        "gone": retired(1)[0],
        "foreign": created(1, project="other")[0],
        "plain": str(UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")),
    }
    newer = created(2)
    expected = {"after": older, "before": newer}[direction]
    assert ids(page(**{direction: position["gone"]})) == expected
    assert ids(page(**{direction: position["foreign"]})) == expected
    assert ids(page(**{direction: position["plain"]})) == {"after": newer + older, "before": []}[direction]


@pytest.mark.parametrize("how_many", [0, 1, 200])
def test_a_page_holds_as_many_as_asked_for(how_many):
    """A page of zero vouchers has no cursors."""
    made = created(201)
    answer = page(limit=how_many)
    assert ids(answer) == made[:how_many]
    assert answer["moreItemsAfter"] == (made[how_many - 1] if how_many else None)
    assert answer["moreItemsBefore"] is None


def test_a_status_is_a_filter_and_available_unless_said_otherwise():
    """Both statuses can be given, in either order."""
    first, second, third, fourth = created(1), retired(1), created(1), retired(1)
    assert ids(page()) == ids(page(status=["available"])) == third + first
    assert ids(page(status=["retired"])) == fourth + second
    both = fourth + third + second + first
    assert ids(page(status=["retired", "available"])) == ids(page(status=["available", "retired"])) == both
    assert ids(page(status=["retired", "retired"])) == fourth + second


def test_more_is_told_of_what_the_filter_lets_pass():
    """A page with all retired vouchers has no cursors, although there are available vouchers."""
    created(2), retired(2), created(2)
    answer = page(status=["retired"], limit=2)
    assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


def test_a_code_is_a_filter_without_regard_to_case():
    """The filter finds every voucher with the code, and combines with the other filters and cursors."""
    old = retired(3, code="SUMMER")
    new = created(1, code="Summer")
    created(1, code="WINTER"), created(1)
    assert ids(page(code="  sUMMer")) == new
    assert ids(page(code="SUMMER", status=["retired"], limit=2)) == old[:2]
    assert ids(page(code="SUMMER", status=["retired"], after=old[1])) == old[2:]
    assert ids(page(code="SUMMER", status=["retired", "available"])) == new + old
    assert ids(page(code="SUMMER", before=old[0])) == new
    assert page(code="SPRING")["items"] == []


def test_other_projects_are_invisible():
    """Vouchers of other projects are neither listed nor counted for the cursors."""
    created(1, project="other", code="SUMMER")
    mine = created(1, code="SUMMER")
    created(1, project="other")
    for answer in (page(), page(code="SUMMER")):
        assert ids(answer) == mine
        assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"limit": 201}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"limit": None}, "limit"),
        ({"status": []}, "status"),
        ({"status": "available"}, "status"),
        ({"status": ["open"]}, "status.0"),
        ({"status": ["available", "retired", "retired"]}, "status"),
        ({"code": "a b"}, "code"),
        ({"after": "SUMMER"}, "after"),
        ({"after": UNKNOWN, "before": UNKNOWN}, "before"),
        ({"after": "SUMMER", "before": UNKNOWN}, "after"),
        ({"before": UNKNOWN.replace("vou", "dis")}, "before"),
        ({"sort": "name"}, "?"),
        ({"project": ""}, "project"),
    ],
)
def test_what_cannot_be_understood_is_refused(fields, bad):
    """The error names the bad field, never a value."""
    with pytest.raises(InvalidRequest) as refused:
        page(**fields)
    assert refused.value.errors[0]["field"] == bad
    assert "SUMMER" not in str(refused.value)
