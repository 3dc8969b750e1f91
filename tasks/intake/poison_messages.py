"""Which messages may have ended the process that had them before, and how few of them may run together therefore.

A first delivery is never a suspect. What is noted of the others is written before they begin: a process that ends
over one of them says nothing afterwards.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy.orm import Session

from models.intake.attempt import MessageKey, clear_attempts, find_attempts, forget_alone, note_alone, note_together
from worker.database import transaction
from worker.intake.delivery import Delivery
from worker.settings import settings

# Of 500 under poison search an eighth runs together, then an eighth of that, and then each alone.
SHRINKING_BITS = 3


class PoisonSearch:
    """What is noted of the messages of one batch, by their positions in it."""

    def __init__(self, keys: Sequence[MessageKey]) -> None:
        """This method will begin with nobody under poison search."""
        self.keys = keys
        # How often each was begun together with others, and alone.
        self.noted: dict[int, tuple[int, int]] = {}

    def look_up(self, deliveries: Sequence[Delivery], *, lost: bool) -> None:
        """This method will look up what is noted of those that were delivered before; the others cost nothing.

        `lost` tells whether the child has ended that had them before, and did not live to note it.
        """
        again = [position for position, each in enumerate(deliveries) if lost or each.redelivered or each.retries]
        if not again:
            return
        with transaction() as session:
            found = find_attempts(session, keys=[self.keys[position] for position in again])
        for position in again:
            row = found.get(self.keys[position])
            if row:
                self.noted[position] = (row.together, row.alone)
            elif lost or deliveries[position].redelivered:
                self.noted[position] = (int(lost), 0)

    def groups(self) -> Iterator[list[int]]:
        """This method will yield groups that are the smaller the more suspicious their messages are."""
        in_order = sorted(self.noted, key=self._group_size, reverse=True)
        for size, members in groupby(in_order, key=self._group_size):
            left = list(members)
            while left:
                yield left[:size]
                left = left[size:]

    def note_together(self, positions: Iterable[int]) -> None:
        """This method will count one more attempt together."""
        with transaction() as session:
            note_together(session, keys=[self.keys[position] for position in positions])

    def note_alone(self, position: int) -> int:
        """This method will count one more attempt alone, and return how many there were with it."""
        with transaction() as session:
            return note_alone(session, key=self.keys[position])

    def forget_alone(self, position: int) -> None:
        """This method will take an attempt alone back: what went wrong was not the message's doing."""
        with transaction() as session:
            forget_alone(session, key=self.keys[position])

    def clear(self, positions: Collection[int]) -> None:
        """This method will forget the attempts of messages that need no more."""
        if positions:
            with transaction() as session:
                clear_attempts(session, keys=[self.keys[position] for position in positions])

    def clear_noted(self, session: Session, *, positions: Iterable[int]) -> None:
        """This method will forget, in a transaction that decides messages, what is noted of them."""
        keys = [self.keys[position] for position in positions if position in self.noted]
        if keys:
            clear_attempts(session, keys=keys)

    def _group_size(self, position: int) -> int:
        together, alone = self.noted[position]
        return 1 if alone else max(1, settings().batch_size_max >> SHRINKING_BITS * together)
