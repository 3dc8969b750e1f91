"""Pages of a list, each with the positions from which the next and the previous page begin."""

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo

from tasks.wire.answers import Answer
from tasks.wire.fields import invalid, type_id
from tasks.wire.message import was_given

PAGE_SIZE_MAX = 200
PAGE_SIZE = 10
Position = TypeVar("Position")


def _one_direction(value: Position, info: ValidationInfo) -> Position:
    if value is not None and was_given(info, "after"):
        raise invalid("must not be given together with after")
    return value


def one_owner(*others: str) -> AfterValidator:
    """Return a validator for the last of some fields that name owners: at least one of them is given."""

    def check(value: object, info: ValidationInfo) -> object:
        if value is None and not any(was_given(info, each) for each in others):
            raise invalid(", or ".join(("must be given", *others)))
        return value

    return AfterValidator(check)


# For a field `before` that is declared after a field `after`.
ONE_DIRECTION = AfterValidator(_one_direction)
Limit = Annotated[int, Field(ge=0, le=PAGE_SIZE_MAX)]


class ListedRow(Protocol):
    """A row with an id, which is the position in a list."""

    id: UUID


Row = TypeVar("Row")
RowWithId = TypeVar("RowWithId", bound=ListedRow)


class PageRequest(Protocol):
    """A request for the page after or before an id, or for the first page."""

    @property
    def after(self) -> UUID | None:
        """The position after which the page begins."""

    @property
    def before(self) -> UUID | None:
        """The position before which the page ends."""

    @property
    def limit(self) -> int:
        """The maximum number of items on the page."""


def page_answer(
    request: PageRequest,
    *,
    prefix: str,
    item: Callable[[RowWithId], Answer],
    older: Callable[[UUID | None, int], Sequence[RowWithId]],
    newer: Callable[[UUID, int], Sequence[RowWithId]],
) -> Answer:
    """Return the answer with the page, newest item first, and the positions of the next and the previous page.

    `older` and `newer` return the rows after and before a position, up to a limit. New rows do not shift the pages:
    the positions are ids, and new ids are higher.
    """
    before, limit = request.before, request.limit
    rows = older(request.after, limit) if before is None else newer(before, limit)
    return answer_with(
        rows,
        items=[item(row) for row in rows],
        more_after=bool(rows and older(rows[-1].id, 1)),
        more_before=bool(rows and newer(rows[0].id, 1)),
        shown=lambda row: type_id(prefix, row.id),
    )


def answer_with(
    rows: Sequence[Row],
    *,
    items: Sequence[Answer],
    more_after: bool,
    more_before: bool,
    shown: Callable[[Row], str],
) -> Answer:
    """Return the answer with a page. `shown` returns the position of a row."""
    return {
        "object": "list",
        "items": list(items),
        "moreItemsAfter": shown(rows[-1]) if more_after else None,
        "moreItemsBefore": shown(rows[0]) if more_before else None,
    }
