"""Lists of discounts in the format of Polar."""

from typing import Any

import pytest

from tasks.foreign.polar_messages import ListDiscounts
from tasks.wire.parsing import parse
from tests.foreign.polar import ORGANIZATION, create
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_list_is_answered_with_exactly_their_fields():
    """A page has ten discounts, newest first, with the total count."""
    made = [create(code=None, name=f"Discount {number}") for number in range(12)][::-1]
    create_voucher(project="other")
    first, second, third = (
        task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION, "page": page})
        for page in (1, 2, 3)
    )
    assert first == {"items": made[:10], "pagination": {"total_count": 12, "max_page": 2}}
    assert (second["items"], second["pagination"]) == (made[10:], first["pagination"])
    assert (third["items"], third["pagination"]) == ([], first["pagination"])
    nothing = task_named("polar.discounts.list")(request={"organization_id": "nobody"})
    assert nothing == {"items": [], "pagination": {"total_count": 0, "max_page": 0}}


def test_a_list_is_sorted_by_the_end_of_a_discount():
    """A discount without an end comes last, or first in descending order."""
    for name, ends_at in (("Late", "2099-01-01T00:00:00Z"), ("Never", None), ("Soon", "2098-01-01T00:00:00Z")):
        create(name=name, code=None, ends_at=ends_at)

    def names(sorting: str) -> list[str]:
        page = task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION, "sorting": [sorting]})
        return [item["name"] for item in page["items"]]

    assert names("ends_at") == ["Soon", "Late", "Never"]
    assert names("-ends_at") == ["Never", "Late", "Soon"]


def test_a_list_takes_their_limits_orders_and_filters():
    """A larger limit is reduced to 100. A query is searched in names and codes, without wildcards."""
    for name, code in (("Summer 100%", "ZZZ"), ("Autumn", "Summer"), ("Winter", None)):
        create(name=name, code=code)

    def names(**parameters: Any) -> list[str]:
        page = task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION, **parameters})
        return [item["name"] for item in page["items"]]

    assert names(limit=1000) == ["Winter", "Autumn", "Summer 100%"]
    assert parse(ListDiscounts, {"organization_id": ORGANIZATION, "limit": 1000}).limit == 100
    assert names(sorting=["created_at"]) == ["Summer 100%", "Autumn", "Winter"]
    assert names(sorting=["name"]) == ["Autumn", "Summer 100%", "Winter"]
    assert names(sorting=["-name"], limit=1, page=2) == ["Summer 100%"]
    assert names(sorting=None, query="") == names()
    assert names(sorting=["code"])[:2] == ["Autumn", "Summer 100%"]
    redeem(project=ORGANIZATION, code="SUMMER")
    assert names(sorting=["-redemptions_count", "name"]) == ["Autumn", "Summer 100%", "Winter"]
    assert names(query="Summer", sorting=["name"]) == ["Autumn", "Summer 100%"]
    assert names(query="summer") == ["Autumn"]
    assert names(query="%") == ["Summer 100%"]
    assert names(query="_") == []
