"""The organization of Polar's requests that name none: that of SCRIP_POLAR_ORGANIZATION."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.polar import ENDPOINT, ORGANIZATION, PROMO, create, ours
from tests.support.environment import changed_environment
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

OTHER = "8a9a1aa4-2b4f-4e59-9d8c-0d6d7f3a9f10"


def test_a_request_without_an_organization_is_of_the_one_that_is_set() -> None:
    """So is one in which it is null. All tasks find the discount without it."""
    with changed_environment(SCRIP_POLAR_ORGANIZATION=ORGANIZATION):
        created = create(PROMO)
        assert created["organization_id"] == ours(created)["project"] == ORGANIZATION
        null = {"organization_id": None, "id": created["id"]}
        assert task_named("polar.discounts.retrieve")(request=null) == created
        renamed = task_named("polar.discounts.update")(request={"id": created["id"], "name": "Renamed"})
        assert [each["name"] for each in task_named("polar.discounts.list")(request={})["items"]] == [renamed["name"]]
        assert task_named("polar.discounts.delete")(request={"id": created["id"]}) is None
        assert task_named("polar.discounts.list")(request={})["items"] == []


def test_a_request_may_name_another_organization() -> None:
    """The setting is a default."""
    with changed_environment(SCRIP_POLAR_ORGANIZATION=ORGANIZATION):
        assert create(ENDPOINT, organization_id=OTHER)["organization_id"] == OTHER


def test_without_the_setting_the_organization_must_be_given() -> None:
    """No project is guessed."""
    with pytest.raises(InvalidRequest) as refused:
        create(PROMO)
    assert refused.value.errors == [{"field": "organization_id", "message": "must be given"}]
