"""Pages of lists, followed in both directions."""

from typing import Any

from tests.support.tasks import task_named


def listed(task: str, **fields: Any) -> dict[str, Any]:
    """Return a page of a list of the project."""
    answer: dict[str, Any] = task_named(task)(request={"project": "gigs", **fields})
    return answer


def items(task: str, **fields: Any) -> list[dict[str, Any]]:
    """Return the items on a page of a list of the project."""
    found: list[dict[str, Any]] = listed(task, **fields)["items"]
    return found


def pages_forward(task: str, **fields: Any) -> list[list[dict[str, Any]]]:
    """Return the items of each page, from the first page to the last."""
    page = listed(task, **fields)
    pages = [page["items"]]
    assert page["moreItemsBefore"] is None
    while page["moreItemsAfter"]:
        page = listed(task, **fields, after=page["moreItemsAfter"])
        pages.append(page["items"])
    return pages


def pages_backward(task: str, *, before: str, **fields: Any) -> list[list[dict[str, Any]]]:
    """Return the items of each page from a position back to the first page."""
    page = listed(task, **fields, before=before)
    pages = [page["items"]]
    assert page["moreItemsAfter"] is not None
    while page["moreItemsBefore"]:
        page = listed(task, **fields, before=page["moreItemsBefore"])
        pages.append(page["items"])
    return pages
