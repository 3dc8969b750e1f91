"""Read pages of a usage list."""

from tests.support.tasks import task_named


def listed(voucher: str, **fields) -> list[dict]:
    """Return the items of a page."""
    answer = task_named("usages.list")(request={"project": "gigs", "voucher": voucher, **fields})
    assert set(answer) == {"object", "items"}
    assert answer["object"] == "list"
    items: list[dict] = answer["items"]
    return items
