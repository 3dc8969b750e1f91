"""Keeping parts alive: starts them, restarts one that dies, gives up on one that keeps dying, stops them in order."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack

from scrip.stack.process import Pause, StackProcess

# A part that needs a third start within a minute is not unlucky but broken.
DEATHS_MAX = 3
DEATHS_SECONDS = 60


class Supervisor:
    """The parts that were started, in order. It has no thread: whoever owns it calls `check` regularly."""

    def __init__(self, *, announce: Callable[[str], None], pause: Pause) -> None:
        """This method will begin with nothing. `pause` waits a moment and may raise, which ends what waits."""
        self._announce = announce
        self._pause = pause
        self._groups: list[tuple[StackProcess, ...]] = []
        self._deaths: defaultdict[str, list[float]] = defaultdict(list)

    def launch(self, *parts: StackProcess) -> None:
        """This method will start the parts together and wait until each is ready, or raise StackProcessFailed."""
        # Remembered first: whatever happens from here on, `stop` finds it.
        self._groups.append(parts)
        for part in parts:
            part.spawn()
        for part in parts:
            part.wait_ready(self._pause)

    def check(self) -> None:
        """This method will restart what has died, or raise StackProcessFailed for what died three times within a minute."""
        for floor in self._groups:
            for part in floor:
                if (code := part.exit_code()) is not None:
                    self._revive(part, code=code)

    def _revive(self, part: StackProcess, *, code: int) -> None:
        part.clear()
        if part.can_try_again():
            part.spawn()
            return
        now = time.monotonic()
        deaths = [then for then in self._deaths[part.name] if now - then < DEATHS_SECONDS] + [now]
        self._deaths[part.name] = deaths
        if len(deaths) >= DEATHS_MAX:
            raise part.failure(f"died {DEATHS_MAX} times within a minute, the last time with exit code {code}")
        part.spawn()
        self._announce(f"{part.name} died (exit code {code}), restarted")

    def stop(self) -> None:
        """This method will stop everything, last started first, those that started together all at once."""
        with ExitStack() as stopping:
            # An exit stack goes backwards, and on to the next one whatever happens.
            for floor in self._groups:
                for part in floor:
                    stopping.callback(part.stop)
                for part in floor:
                    stopping.callback(part.ask_to_stop)
        self._groups.clear()
