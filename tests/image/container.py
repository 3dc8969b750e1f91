"""A container by the means of the kernel alone, because an engine asks more of a machine than root may have."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from scrip.stack.process_tree import end_session
from tests.end_to_end.programs import DIE_WITH_PARENT
from tests.image.images import Image
from tests.support.waiting import eventually

NEW_NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
# As engines mount it.
TMPFS_OPTIONS = "nosuid,nodev,noexec,mode=1777"


@dataclass(frozen=True)
class Rights:
    """The rights that docker-compose.yml gives to a program."""

    read_only: bool
    tmpfs: Sequence[str]
    # The folders of this machine by those of the container.
    volumes: Mapping[str, Path]


class Container:
    """A program in an image, with the network of this machine. Leaving the context kills it."""

    def __init__(
        self, image: Image, *words: str, name: str, rights: Rights, environment: Mapping[str, str], log: Path
    ) -> None:
        """Describe the container. `name` is its host name."""
        self.image, self.words, self.name, self.rights, self.log_file = image, words, name, rights, log
        self.environment = {**image.environment, "HOSTNAME": name, **environment}

    def __enter__(self) -> Self:
        """Start the program as the first process of the container. It ends with this process."""
        begin = shlex.join(("exec", "chroot", self._root, *self._inside(self.words)))
        script = "\n".join((*self._preparation(), begin))
        die_with_parent = (sys.executable, "-IS", str(DIE_WITH_PARENT), str(os.getpid()), str(int(signal.SIGKILL)))
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*die_with_parent, "/usr/bin/unshare", *NEW_NAMESPACES, "sh", "-euc", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._has_entered)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        end_session(self.process)

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another program in the container, with the same rights."""
        namespaces = ("--mount", "--uts", "--ipc", "--pid", "--root", "--wd")
        enter = ("/usr/bin/nsenter", "--target", str(self._first().pid), *namespaces)
        return subprocess.run(
            [*enter, *self._inside(words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def stop(self, *, seconds: int) -> int:
        """Ask the program to stop and return its exit code, or fail after that time."""
        self._first().terminate()
        return self.process.wait(seconds)

    @property
    def log(self) -> str:
        """The whole output of the program."""
        return self.log_file.read_text()

    @property
    def _root(self) -> str:
        return str(self.image.root)

    def _first(self) -> psutil.Process:
        (first,) = psutil.Process(self.process.pid).children()
        return first

    def _has_entered(self) -> bool:
        """Return whether the first process is in the image, or has already ended."""
        children = psutil.Process(self.process.pid).children()
        ended = self.process.poll() is not None
        return ended or any(Path(f"/proc/{each.pid}/root").readlink() == self.image.root for each in children)

    def _preparation(self) -> Iterator[str]:
        """Yield the commands that make the mounts. They end with the container."""
        root = shlex.quote(self._root)
        yield f"hostname {self.name}"
        yield f"mount --bind {root} {root}"
        if self.rights.read_only:
            yield f"mount -o remount,bind,ro {root}"
        yield f"mount -t proc proc {root}/proc"
        yield f"mount --rbind /dev {root}/dev"
        for folder in self.rights.tmpfs:
            yield f"mount -t tmpfs -o {TMPFS_OPTIONS} tmpfs {root}{folder}"
        for folder, volume in self.rights.volumes.items():
            yield f"mount --bind {shlex.quote(str(volume))} {root}{folder}"

    def _inside(self, words: Sequence[str]) -> list[str]:
        """Return the command that gives up root's rights, and then runs the program in the image's folder."""
        identity = (f"--reuid={self.image.user}", f"--regid={self.image.group}", "--clear-groups")
        nothing = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
        variables = (f"{name}={value}" for name, value in self.environment.items())
        clean = ("env", "--ignore-environment", f"--chdir={self.image.working_folder}", *variables)
        return ["setpriv", *identity, *nothing, *clean, *words]
