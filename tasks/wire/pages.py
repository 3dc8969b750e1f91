"""Pages of a list: which are asked for, and where the next and the previous one begin."""

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo

from models.base import StoredRow
from tasks.wire.answers import Answer
from tasks.wire.fields import invalid, type_id

PAGE_SIZE_MAX = 200
PAGE_SIZE = 10


def _one_direction(value: UUID | None, info: ValidationInfo) -> UUID | None:
    # An `after` that failed by itself is not in the data, but it was given.
    if value is not None and info.data.get("after", value) is not None:
        raise invalid("must not be given together with after")
    return value


# Of a field `before` that is declared behind `after`.
ONE_DIRECTION = AfterValidator(_one_direction)
Limit = Annotated[int, Field(ge=0, le=PAGE_SIZE_MAX)]


class PageRequest(Protocol):
    """A request for the page after or before a position, which is an id; without one it is the first page."""

    @property
    def after(self) -> UUID | None:
        """This method will return the position that the page begins behind."""

    @property
    def before(self) -> UUID | None:
        """This method will return the position that the page ends before."""

    @property
    def limit(self) -> int:
        """This method will return how many items the page has at most."""


def page_answer(
    request: PageRequest,
    *,
    prefix: str,
    item: Callable[[StoredRow], Answer],
    older: Callable[[UUID | None, int], Sequence[StoredRow]],
    newer: Callable[[UUID, int], Sequence[StoredRow]],
) -> Answer:
    """This function will answer the page, newest first, with the ids to go on from in either direction.

    A page keeps its place whatever is created meanwhile: the positions are ids, and new ones are higher.
    """
    before, limit = request.before, request.limit
    rows = older(request.after, limit) if before is None else newer(before, limit)
    more_after = rows and older(rows[-1].id, 1)
    more_before = rows and newer(rows[0].id, 1)
    return {
        "object": "list",
        "items": [item(row) for row in rows],
        "moreItemsAfter": type_id(prefix, rows[-1].id) if more_after else None,
        "moreItemsBefore": type_id(prefix, rows[0].id) if more_before else None,
    }
