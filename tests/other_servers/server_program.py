"""Servers of a test's own, on the loopback interface: started, paused, killed, and stopped by their process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.programs import DIE_WITH_PARENT
from tests.support.waiting import DEADLINE_SECONDS, eventually


def path_of(program: str) -> str | None:
    """Return the path of a program, or None if it is not installed."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/rabbitmq/bin")


def installed(program: str, *, package: str) -> str:
    """Return the path of a program, or skip the test if the Debian package with the program is not installed."""
    path = path_of(program)
    if path is None:
        pytest.skip(f"{program} is not installed: on Debian, apt-get install {package}")
    return path


class ServerProgram:
    """A server with its files in a folder. Leaving the context kills the server and its child processes."""

    # A command that runs the server, for example as another user.
    prefix: Sequence[str] = ()
    # The signal to the server if this process dies.
    death_signal = signal.SIGKILL

    def __init__(
        self, folder: Path, *, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
    ) -> None:
        """Describe the server. Its output goes to `log` in the folder."""
        self.folder, self.command, self.port = folder, command, port
        self.environment = {**os.environ, "LC_ALL": "C", **(environment or {})}
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        """Start the server, and wait until it accepts connections."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server on the data in its folder."""
        # The server ends with this process, even if this process is killed.
        wrapper = (sys.executable, "-IS", str(DIE_WITH_PARENT), str(os.getpid()), str(int(self.death_signal)))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *wrapper, *self.command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self.is_ready)

    def is_running(self) -> bool:
        """Return whether the server was started and has not ended."""
        return hasattr(self, "process") and self.process.poll() is None

    def is_ready(self) -> bool:
        """Return whether the server accepts connections. Fails if the server has ended."""
        assert self.process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def pause(self) -> None:
        """Stop the server without closing its connections, as a machine that hangs."""
        for process in self.processes():
            process.suspend()

    def resume(self) -> None:
        """Let the server go on."""
        for process in self.processes():
            process.resume()

    def stop(self) -> None:
        """Stop the server as an operator does, by SIGTERM."""
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """Kill the server without a warning to its clients. The data of the folder stays."""
        processes = self.processes()
        # A shell that started the server waits for its end, and may then end itself.
        for child in processes[1:]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        for process in processes[:1]:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        psutil.wait_procs(processes[1:], timeout=DEADLINE_SECONDS)
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    @property
    def log(self) -> str:
        """The whole output of the server."""
        return (self.folder / "log").read_text()

    def processes(self) -> list[psutil.Process]:
        """Return the program and its child processes, if it runs."""
        if self.process.poll() is not None:
            return []
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]
