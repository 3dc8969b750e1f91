"""Name a hold in `redemptions.confirm` and `redemptions.release`: by its own id or by its request id."""

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.redemptions.outcomes import outcome
from tests.support.holds import reserve
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("named", [{}, {"hold": "hol_01m80jhpbpe23bqqc7s095qf9k", "requestId": "r1"}])
@pytest.mark.parametrize("name", ["confirm", "release"])
def test_a_hold_is_named_by_one_of_its_two_ids(name, named):
    """A request with neither id, or with both, is invalid."""
    with pytest.raises(InvalidRequest) as error:
        task_named(f"redemptions.{name}")(request={"project": "gigs", **named})
    assert [each["field"] for each in error.value.errors] == ["requestId"]


@pytest.mark.parametrize("name", ["confirm", "release"])
def test_an_unknown_hold_is_not_found(name):
    """An unknown id, an id of another project, and a refused request, which holds no place."""
    hold = reserve(voucher=create_voucher()["id"], requestId="r1")
    assert outcome(reserve(code="UNKNOWN", requestId="r2")) == ("refused", "voucher_not_found")
    for body in (
        {"project": "gigs", "requestId": "r2"},
        {"project": "gigs", "requestId": "r3"},
        {"project": "other", "requestId": "r1"},
        {"project": "other", "hold": hold["id"]},
    ):
        with pytest.raises(NotFound, match="hold"):
            task_named(f"redemptions.{name}")(request=body)
