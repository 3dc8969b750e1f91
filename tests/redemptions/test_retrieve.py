"""Retrieve the decision on a request id."""

import pytest

from tasks.wire.errors import NotFound
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_redemption_is_not_visible_from_another_project():
    """The request id is free in the other project."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], requestId="order-1")
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "other", "requestId": "order-1"})
    assert redeem(voucher=voucher["id"], requestId="order-1", project="other")["reason"] == "voucher_not_found"
