"""The supervisor: starts processes, restarts a dead process, gives up after repeated deaths, and stops all in order."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack

from scrip.stack.process import Pause, StackProcess

# A process that dies three times within a minute is broken.
DEATHS_MAX = 3
DEATHS_SECONDS = 60


class Supervisor:
    """The processes that were started, in order. The supervisor has no thread: the owner calls `check` regularly."""

    def __init__(self, *, announce: Callable[[str], None], pause: Pause) -> None:
        """Begin with no process. `pause` waits a moment, and may raise to end a wait."""
        self._announce = announce
        self._pause = pause
        self._groups: list[tuple[StackProcess, ...]] = []
        self._deaths: defaultdict[str, list[float]] = defaultdict(list)

    def launch(self, *processes: StackProcess) -> None:
        """Start the processes together and wait until each is ready. Raises StackProcessFailed if a process fails."""
        # Before the spawn, so that `stop` finds the processes if starting them fails.
        self._groups.append(processes)
        for process in processes:
            process.spawn()
        for process in processes:
            process.wait_ready(self._pause)

    def check(self) -> None:
        """Restart dead processes. Raises StackProcessFailed if a process has died three times within a minute."""
        for group in self._groups:
            for process in group:
                if (code := process.exit_code()) is not None:
                    self._revive(process, code=code)

    def _revive(self, process: StackProcess, *, code: int) -> None:
        process.kill()
        if process.can_try_again():
            process.spawn()
            return
        now = time.monotonic()
        deaths = [then for then in self._deaths[process.name] if now - then < DEATHS_SECONDS] + [now]
        self._deaths[process.name] = deaths
        if len(deaths) >= DEATHS_MAX:
            raise process.failure(f"died {DEATHS_MAX} times within a minute, the last time with exit code {code}")
        process.spawn()
        self._announce(f"{process.name} died (exit code {code}), restarted")

    def stop(self) -> None:
        """Stop everything, last started first. Processes that started together stop together."""
        with ExitStack() as stopping:
            # An exit stack runs callbacks in reverse order, and all of them even if some raise.
            for group in self._groups:
                for process in group:
                    stopping.callback(process.stop)
                for process in group:
                    stopping.callback(process.ask_to_stop)
        self._groups.clear()
