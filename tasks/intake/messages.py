"""The requests of the tasks about messages."""

from typing import Annotated

from tasks.wire.fields import DeadLetterId, ExternalId
from tasks.wire.message import Message
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit


class ListDeadLetters(Message):
    """`dead_letters.list`: `after` and `before` are positions, even if no dead letter has that id any more."""

    project: ExternalId
    after: DeadLetterId | None = None
    before: Annotated[DeadLetterId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE
