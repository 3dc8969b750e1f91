"""Find the poison message: the message that kills its process.

A process that dies over a message cannot say which message it was. So messages whose child or worker died run again in
ever smaller groups (500, 62, 7, 1), until each is alone. Each attempt at a suspect is recorded before it starts.

A first delivery is never a suspect, and not recorded. If the child dies, that attempt is recorded afterwards, and the
messages run again in groups of 62. If the worker dies, the broker redelivers the messages, as after a stop of the
worker. That is no evidence, so they run once more in groups of 500, and that attempt is recorded. Only attempts alone
lead to a dead letter: no message is given up for the fault of another.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy.orm import Session

from models.intake.attempt import (
    MessageKey,
    clear_attempts,
    find_attempts,
    note_alone,
    note_together,
    take_back_alone,
)
from worker.database import transaction
from worker.intake.delivery import Delivery
from worker.settings import settings

# Each attempt together divides the size of a group by eight.
SHRINKING_BITS = 3


class Attempts(NamedTuple):
    """How many attempts at a message were recorded, in a group with others and alone."""

    together: int
    alone: int


class PoisonSearch:
    """The suspects of a batch by position: messages that may have killed a process."""

    def __init__(self, keys: Sequence[MessageKey]) -> None:
        self.keys = keys
        self.suspects: dict[int, Attempts] = {}

    def look_up(self, deliveries: Sequence[Delivery], *, is_child_lost: bool, ended: Container[int]) -> None:
        """Look up the attempts at all messages that were delivered or sent before; first deliveries cost nothing.

        If the batch was lost with the child, a message without attempts was lost at the first attempt. That attempt is
        recorded now, so that the next loss shrinks the group further. A message in a wrong queue is not decided, so it
        is no suspect, nor is one that has ended.
        """
        again = [
            position
            for position, each in enumerate(deliveries)
            if (is_child_lost or each.redelivered or each.retries)
            and each.wrong_queue is None
            and position not in ended
        ]
        if not again:
            return
        with transaction() as session:
            found = find_attempts(session, keys=[self.keys[position] for position in again])
            unrecorded = [position for position in again if self.keys[position] not in found]
            if is_child_lost and unrecorded:
                note_together(session, keys=[self.keys[position] for position in unrecorded])
        for position in again:
            row = found.get(self.keys[position])
            if row:
                self.suspects[position] = Attempts(together=row.together, alone=row.alone)
            elif is_child_lost or deliveries[position].redelivered:
                self.suspects[position] = Attempts(together=int(is_child_lost), alone=0)

    def groups(self) -> Iterator[list[int]]:
        """Yield the positions of suspects that may run together, largest groups first."""
        in_order = sorted(self.suspects, key=self._group_size, reverse=True)
        for size, members in groupby(in_order, key=self._group_size):
            left = list(members)
            while left:
                yield left[:size]
                left = left[size:]

    def note_together(self, positions: Iterable[int]) -> None:
        """Record that a group of messages begins."""
        with transaction() as session:
            note_together(session, keys=[self.keys[position] for position in positions])

    def note_alone(self, position: int) -> int:
        """Record that a message begins alone, and return the number of attempts alone."""
        with transaction() as session:
            return note_alone(session, key=self.keys[position])

    def take_back_alone(self, position: int) -> None:
        """Take an attempt alone back, because the message was not the cause of the failure."""
        with transaction() as session:
            take_back_alone(session, key=self.keys[position])

    def clear(self, positions: Collection[int]) -> None:
        """Delete the attempts at messages that are not tried again."""
        if positions:
            with transaction() as session:
                clear_attempts(session, keys=[self.keys[position] for position in positions])

    def clear_suspects(self, session: Session, *, positions: Iterable[int]) -> None:
        """Delete the attempts at the suspects among the messages, in the transaction that decides them."""
        keys = [self.keys[position] for position in positions if position in self.suspects]
        if keys:
            clear_attempts(session, keys=keys)

    def _group_size(self, position: int) -> int:
        attempts = self.suspects[position]
        return 1 if attempts.alone else max(1, settings().batch_size_max >> SHRINKING_BITS * attempts.together)
