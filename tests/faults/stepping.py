"""Two transactions on a real Postgres, stepped statement by statement through a chosen order.

Each runs in a thread, and stops before each statement and before each COMMIT until it is its turn. Postgres itself
tells whether a statement waits for the other's lock. Nothing depends on time.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from sqlalchemy import Engine, event

# Only a broken harness takes this long over one statement. Postgres detects a deadlock after a second.
STEP_SECONDS_MAX = 30
# How often Postgres is asked who waits, if no transaction comes to its next step meanwhile.
POLL_SECONDS = 0.001
CONSTRAINT_CLASS = "23"

Work = Callable[[], Any]
Rewrite = Callable[[str], str]


class Schedule:
    """The choices of an order: at each step with a choice, the position of the transaction that goes on."""

    def __init__(self, prefix: Sequence[int] = (), *, source: random.Random | None = None) -> None:
        """Follow the prefix, and then draw from the source, or always choose the first transaction."""
        self.choices = list(prefix)
        self.options: list[int] = []
        self._source = source

    def choose(self, options: int) -> int:
        """Return the next choice out of a number of options."""
        step = len(self.options)
        self.options.append(options)
        if step == len(self.choices):
            self.choices.append(self._source.randrange(options) if self._source else 0)
        return self.choices[step]

    def following(self) -> "Schedule | None":
        """Return the next order, depth first, or None after the last."""
        choices = self.choices[: len(self.options)]
        while choices and choices[-1] == self.options[len(choices) - 1] - 1:
            choices.pop()
        return Schedule([*choices[:-1], choices[-1] + 1]) if choices else None


def every_order() -> Iterator[Schedule]:
    """Yield the schedule of each order. Run it before asking for the next."""
    schedule: Schedule | None = Schedule()
    while schedule is not None:
        yield schedule
        schedule = schedule.following()


def some_orders(*, first: int, drawn: int, seed: int) -> Iterator[Schedule]:
    """Yield every order if there are at most `first`. Otherwise yield that many, and then some drawn at random."""
    schedule: Schedule | None = Schedule()
    for _ in range(first):
        if schedule is None:
            return
        yield schedule
        schedule = schedule.following()
    source = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
    for _ in range(drawn):
        yield Schedule(source=source)


class Player:
    """One of the transactions. `statement` is the next step while it waits for its turn."""

    def __init__(self) -> None:
        self.backend: int | None = None
        self.statement: str | None = None
        self.future: Future[Any] | None = None
        self.turn = threading.Event()

    @property
    def is_at_rest(self) -> bool:
        """Whether the transaction waits for its turn or has ended."""
        return self.statement is not None or (self.future is not None and self.future.done())


class Stepper:
    """Steps transactions of an engine through an order."""

    def __init__(self, engine: Engine, observer: Connection[Any], *, rewrite: Rewrite = str) -> None:
        """`rewrite` changes each statement of the transactions: a control takes out a lock with it."""
        self.engine, self.observer, self.rewrite = engine, observer, rewrite
        self.players: list[Player] = []
        self.arrived = threading.Condition()
        self.constraint_errors: list[str] = []
        self.waits = 0
        self._own = threading.local()

    @contextmanager
    def listening(self) -> Iterator["Stepper"]:
        """Listen to the engine's statements, commits and errors."""
        listeners: tuple[tuple[str, Any, dict[str, bool]], ...] = (
            ("before_cursor_execute", self._before_statement, {"retval": True}),
            ("commit", self._before_commit, {}),
            ("handle_error", self._note_error, {}),
        )
        for name, listener, options in listeners:
            event.listen(self.engine, name, listener, **options)
        try:
            yield self
        finally:
            for name, listener, _ in listeners:
                event.remove(self.engine, name, listener)

    def run(self, works: Sequence[Work], schedule: Schedule) -> list[Future[Any]]:
        """Run all works in the order of the schedule, and return their results."""
        self.players = [Player() for _ in works]
        with ThreadPoolExecutor(len(works)) as threads:
            for player, work in zip(self.players, works, strict=True):
                player.future = threads.submit(self._play, player, work)
                player.future.add_done_callback(self._note_end)
            while ready := self._wait_for_choice():
                chosen = ready[schedule.choose(len(ready)) if len(ready) > 1 else 0]
                chosen.statement = None
                chosen.turn.set()
        return [each.future for each in self.players if each.future]

    def _play(self, player: Player, work: Work) -> Any:
        self._own.player = player
        return work()

    def _wait_for_choice(self) -> list[Player]:
        """Wait until every transaction rests or waits for another's lock, and return those that can go on."""
        deadline = time.monotonic() + STEP_SECONDS_MAX
        while time.monotonic() < deadline:
            with self.arrived:
                moving = [each for each in self.players if not each.is_at_rest]
                ready = [each for each in self.players if each.statement is not None]
            # The others have come to rest before Postgres is asked, so whoever waits now will wait on.
            if not moving or (ready and all(self._waits_for_another(each) for each in moving)):
                self.waits += len(moving)
                return ready
            with self.arrived:
                self.arrived.wait(POLL_SECONDS)
        raise AssertionError(f"no progress: {[each.statement for each in self.players]}")

    def _waits_for_another(self, player: Player) -> bool:
        others = [each.backend for each in self.players if each is not player and each.backend]
        asked = self.observer.execute("SELECT pg_blocking_pids(%s) && %s::int[]", [player.backend, others])
        row = asked.fetchone()
        return bool(row and row[0])

    def _wait_for_turn(self, connection: Any, statement: str) -> bool:
        player: Player | None = getattr(self._own, "player", None)
        if player is None:
            return False
        with self.arrived:
            player.backend = connection.connection.driver_connection.info.backend_pid
            player.turn.clear()
            player.statement = statement
            self.arrived.notify_all()
        assert player.turn.wait(STEP_SECONDS_MAX), "the turn never came"
        return True

    def _before_statement(
        self, connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        is_stepped = self._wait_for_turn(connection, statement)
        return self.rewrite(statement) if is_stepped else statement, parameters

    def _before_commit(self, connection: Any) -> None:
        self._wait_for_turn(connection, "COMMIT")

    def _note_error(self, context: Any) -> None:
        state = getattr(context.original_exception, "sqlstate", None) or ""
        if state.startswith(CONSTRAINT_CLASS):
            self.constraint_errors.append(str(context.original_exception).splitlines()[0])

    def _note_end(self, _future: Future[Any]) -> None:
        with self.arrived:
            self.arrived.notify_all()
