"""`discounts.retrieve`: one discount, as lists show it."""

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.discounts.calls import grant
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"


def test_a_discount_is_that_of_the_list():
    """Whatever its status."""
    discount = grant(create_voucher()["id"])["discount"]
    request = {"project": "gigs", "discount": discount}
    (listed,) = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    assert task_named("discounts.retrieve")(request=request) == listed
    ended = task_named("discounts.end")(request=request)
    assert task_named("discounts.retrieve")(request=request) == ended


def test_a_discount_of_another_project_is_unknown():
    """As one that never was."""
    discount = grant(create_voucher()["id"])["discount"]
    for request in ({"project": "other", "discount": discount}, {"project": "gigs", "discount": UNKNOWN}):
        with pytest.raises(NotFound, match="discount"):
            task_named("discounts.retrieve")(request=request)


def test_another_id_is_no_discount():
    """A voucher's id, for example."""
    with pytest.raises(InvalidRequest):
        task_named("discounts.retrieve")(request={"project": "gigs", "discount": create_voucher()["id"]})
