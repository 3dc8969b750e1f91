"""The system of a run: servers behind proxies, workers, beats and the load."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.end_to_end.programs import Program, Worker
from tests.faults.finding import Finding
from tests.faults.load import Load
from tests.faults.servers import OpenServers, Servers, running_servers
from tests.support.waiting import POLL_SECONDS, eventually

WORKERS = 2


class FaultUnavailableError(Exception):
    """The fault could not happen: the machine lacks something, or nobody came by. The message is a clear line."""


class FaultyWorker(Worker):
    """A worker that can be started again, with other variables."""

    def start(self, **variables: str) -> None:
        """Start the worker, and wait until it is ready by its log. The log of the last start is kept beside it."""
        if self.log_file.exists():
            self.log_file.rename(self.log_file.with_name("log.before"))
        self.started_with = variables
        usual, self.environment = self.environment, {**self.environment, **variables}
        try:
            self.__enter__()
        finally:
            self.environment = usual

    def processes(self) -> list[psutil.Process]:
        """Return the worker and its children."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def freeze(self) -> None:
        """Stop all processes of the worker."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all processes of the worker go on."""
        os.killpg(self.process.pid, signal.SIGCONT)


class System:
    """All parts of a run. Programs are started by the main thread, because they end with the thread that did."""

    def __init__(self, servers: Servers, *, folder: Path, seed: int, settings: Mapping[str, str]) -> None:
        self.servers, self.folder = servers, folder
        self.random = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
        self.variables = {**servers.variables, **settings}
        self.workers = [
            FaultyWorker(folder=folder / f"worker-{number}", environment=self.variables) for number in range(WORKERS)
        ]
        self.load = Load(servers.broker.sender(seed=seed), seed=seed)
        self.is_clock_trusted = True
        # Workers that ended though nobody had killed them.
        self.ended_workers = 0
        self.findings: list[Finding] = []

    def start(self) -> None:
        """Start the workers and the load, and wait until a redemption is answered."""
        for each in self.workers:
            each.start()
        for each in self.workers:
            each.wait_ready()
        self.load.start()
        eventually(lambda: any(each.task == "redemptions.redeem" for each in self.load.askings))

    def revive(self) -> None:
        """Start workers that have ended, as a supervisor does."""
        for each in self.workers:
            if not each.is_alive():
                self.ended_workers += 1
                each.kill()
                each.start(**each.started_with)

    def restart(self, worker: FaultyWorker, **variables: str) -> None:
        """Kill a worker and start it with those variables."""
        with suppress(ProcessLookupError):
            worker.thaw()
        worker.kill()
        worker.start(**variables)

    def any_worker(self) -> FaultyWorker:
        """Return a worker by the seed."""
        self.revive()
        return self.random.choice(self.workers)

    def let_pass(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let a fault last so long, or until a condition is met. Ended workers are started again meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.revive()
            time.sleep(POLL_SECONDS)

    def wait_until_answered(self, *, since: float, seconds_max: float) -> float | None:
        """Wait until everything that was sent before an instant has its result. Return the seconds, or None."""
        while self.load.waiting_since(since):
            if self.load.error is not None:
                raise self.load.error
            if time.monotonic() > since + seconds_max:
                return None
            self.revive()
            time.sleep(POLL_SECONDS)
        return time.monotonic() - since

    @contextmanager
    def beats(self, number: int, **variables: str) -> Iterator[list[Program]]:
        """Run several beats with those variables, each with a schedule file of its own."""
        with ExitStack() as started:
            yield [
                started.enter_context(
                    Program(
                        "beat",
                        "--schedule",
                        str(self.schedule_file(beat)),
                        folder=self.folder / f"beat-{beat}",
                        environment={**self.variables, **variables},
                    )
                )
                for beat in range(number)
            ]

    def schedule_file(self, beat: int) -> Path:
        """Return the file in which a beat stores when it last sent each task."""
        return self.folder / f"schedule-{beat}"

    def stop_worker(self, worker: FaultyWorker) -> None:
        """Stop a worker as an operator does. One that does not stop is a finding, and is killed."""
        worker.wait_ready()
        try:
            code = worker.stop()
        except subprocess.TimeoutExpired:
            self.findings.append(Finding("worker does not stop", worker.log_file.parent.name, worker.log[-200:]))
            worker.kill()
        else:
            if code != 0:
                self.findings.append(Finding("worker stopped badly", worker.log_file.parent.name, f"exit code {code}"))

    def stop(self) -> None:
        """End the load, and stop the workers."""
        self.load.end()
        self.revive()
        for each in self.workers:
            self.stop_worker(each)


@contextmanager
def running_system(
    folder: Path, *, seed: int, settings: Mapping[str, str], open_servers: OpenServers = running_servers
) -> Iterator[System]:
    """Run a system, whose processes all end with the context."""
    with open_servers(folder / "home") as servers, ExitStack() as ending:
        system = System(servers, folder=folder, seed=seed, settings=settings)
        for each in system.workers:
            ending.callback(end_worker, each)
        system.start()
        ending.callback(system.load.end)
        yield system


def end_worker(worker: FaultyWorker) -> None:
    """Kill a worker if it was started."""
    if hasattr(worker, "process"):
        with suppress(ProcessLookupError):
            worker.thaw()
        worker.kill()
