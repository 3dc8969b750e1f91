"""Call the use case of a task in this process, and follow the pages of a list."""

from collections.abc import Iterator, Mapping
from typing import Any

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode

Answer = Any
Body = Mapping[str, Any]
# The most that the contract allows.
PAGE_SIZE_MAX = 200
SIMILAR_MAX = 3


def call(task: str, request: Body) -> Answer:
    """Return the answer of a task to a request, which the task's own class checks. The task has that name."""
    from tasks.celery import app  # noqa: PLC0415

    return app.tasks[task](request=dict(request))


def task_names() -> list[str]:
    """Return the names of the contract's tasks."""
    from tasks.celery import app  # noqa: PLC0415

    return sorted(name for name in app.tasks if not name.startswith("celery."))


def require_task(name: str, *, as_json: bool) -> None:
    """End the command if there is no task of that name, and name those that are spelt alike."""
    from difflib import get_close_matches  # noqa: PLC0415

    names = task_names()
    if name not in names:
        similar = get_close_matches(name, names, n=SIMILAR_MAX)
        hint = f": did you mean {' or '.join(similar)}?" if similar else ", see docs/contract.md"
        raise ended(ExitCode.UNUSABLE, f"there is no task {name}{hint}", as_json=as_json)


class Pages:
    """The items of a list, page by page, up to a limit or all of them."""

    def __init__(self, task: str, request: Body, *, limit: int | None) -> None:
        self.task = task
        self.request = {name: value for name, value in request.items() if value is not None}
        self.limit = limit
        # The position after the last item, if there are more items.
        self.more_after: str | None = None

    def __iter__(self) -> Iterator[list[Answer]]:
        """Yield the items of each page."""
        left, request = self.limit, self.request
        while left is None or left > 0:
            size = PAGE_SIZE_MAX if left is None else min(left, PAGE_SIZE_MAX)
            page = call(self.task, {**request, "limit": size})
            yield page["items"]
            self.more_after = page["moreItemsAfter"]
            if self.more_after is None:
                return
            request = {**request, "after": self.more_after}
            left = None if left is None else left - len(page["items"])
