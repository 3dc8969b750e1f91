"""Workers and other programs in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import psutil

from scrip.stack.process_tree import end_session
from tests.end_to_end.broker import QUEUES, UNNAMED, Broker
from tests.support.waiting import DEADLINE_SECONDS, Found, eventually

CHECKOUT = Path(__file__).parent.parent.parent
CELERY = Path(sys.executable).with_name("celery")
DIE_WITH_PARENT = CHECKOUT / "scrip" / "stack" / "die_with_parent.py"
# For tests that wait until a message of a dead worker is redelivered.
SHORT_TIMEOUTS = {"SCRIP_VISIBILITY_TIMEOUT_SECONDS": "7", "SCRIP_LOCK_TIMEOUT_SECONDS": "6"}


class Program:
    """`celery -A tasks …` in a process group of its own. Leaving the context kills the whole group."""

    def __init__(self, *words: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Describe the program. Its output goes to a log in `folder`."""
        self.words = words
        self.log_file = folder / "log"
        self.environment = environment

    def __enter__(self) -> Self:
        """Start the program. The program ends with this process, even if this process is killed."""
        self.log_file.parent.mkdir(exist_ok=True)
        die_with_parent = (sys.executable, "-IS", str(DIE_WITH_PARENT), str(os.getpid()), str(int(signal.SIGKILL)))
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*die_with_parent, str(CELERY), "-A", "tasks", *self.words],
                cwd=CHECKOUT,
                # A killed program leaves temporary files: they are deleted with the folder.
                env={**os.environ, "TMPDIR": str(self.log_file.parent), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill all processes of the program at once, as a power failure would."""
        if self.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(DEADLINE_SECONDS)
        end_session(self.process)

    def stop(self) -> int:
        """Ask the program to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    @property
    def log(self) -> str:
        """The whole output of the program."""
        return self.log_file.read_text()

    def is_alive(self) -> bool:
        """Return whether the program has not ended."""
        return self.process.poll() is None


class Worker(Program):
    """A worker with a detailed log, for all queues unless some are named."""

    def __init__(
        self,
        *,
        folder: Path,
        environment: Mapping[str, str],
        children: int = 2,
        prefetch_multiplier: int | None = None,
        pool: str = "prefork",
        queues: Sequence[str] = (*QUEUES, UNNAMED),
        log_level: str = "DEBUG",
    ) -> None:
        """Describe the worker. `prefetch_multiplier` is the number of messages to prefetch for each child."""
        options = ("--queues", ",".join(queues), "--hostname", f"{folder.name}@%h", "--concurrency", str(children))
        prefetch = ("--prefetch-multiplier", str(prefetch_multiplier)) if prefetch_multiplier else ()
        super().__init__(
            "worker",
            *options,
            "--loglevel",
            log_level,
            "--pool",
            pool,
            *prefetch,
            folder=folder,
            environment=environment,
        )

    @cached_property
    def broker(self) -> Broker:
        """The broker, if it is the Valkey of REDIS_URL."""
        return Broker(self.environment)

    def wait_ready(self) -> Self:
        """Wait until the worker is ready by its log."""
        self.eventually(lambda: " ready." in self.log)
        return self

    def children(self) -> list[psutil.Process]:
        """Return the child processes, in which the tasks run."""
        return psutil.Process(self.process.pid).children()

    def child_with_port(self, port: int) -> psutil.Process | None:
        """Return the child that is connected to Postgres from the port, or None."""
        for child in self.children():
            if any(each.laddr.port == port for each in child.net_connections("tcp")):
                return child
        return None

    def wait_until_acknowledged(self) -> None:
        """Wait until every message is acknowledged, or fail at the deadline or if the worker ends.

        Call this after the last answer. On kombu's own transport, a message on the way from its queue to a worker would
        not be counted.
        """
        self.eventually(lambda: not self.broker.messages())

    def eventually(self, probe: Callable[[], Found | None]) -> Found:
        """Call the probe until the result is true and return that, or fail at the deadline or if the worker ends."""

        def probe_and_check() -> Found | None:
            assert self.is_alive(), self.log
            return probe()

        return eventually(probe_and_check)

    def restart_if_stuck(self) -> None:
        """Start the worker again with empty queues, if a test has left it dead or with messages."""
        if not self.is_alive() or self.broker.messages():
            self.kill()
            self.broker.redis.flushdb()
            self.log_file.unlink()
            self.__enter__()
            self.wait_ready()


def scrip(worker: Worker, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `scrip` against the worker's servers."""
    program = Path(sys.executable).with_name("scrip")
    environment = {**os.environ, **worker.environment}
    return subprocess.run([program, *words], env=environment, check=True, capture_output=True, text=True)
