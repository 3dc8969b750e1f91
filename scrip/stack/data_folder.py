"""The data folder of a stack: a lock, passwords, and the file `env` with the servers' addresses."""

import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


class DataFolderUnusable(Exception):
    """The data folder is in use by another stack or cannot be written. The message is a single clear line."""


@contextmanager
def locked_data_folder(data_folder: Path) -> Iterator[None]:
    """Lock the data folder for this process, create the subfolders, and remove a stale `env`.

    Raises DataFolderUnusable if another stack holds the lock or the folder cannot be written.
    """
    try:
        for folder in (data_folder, data_folder / "logs", data_folder / "secrets"):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = (data_folder / "lock").open("a")
    except OSError as error:
        raise DataFolderUnusable(f"the home {data_folder} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderUnusable(f"another stack is running in {data_folder}") from None
        # A killed stack leaves `env` behind.
        (data_folder / "env").unlink(missing_ok=True)
        with _emptied(temporary_folder(data_folder)):
            yield


def temporary_folder(data_folder: Path) -> Path:
    """Return the folder for the temporary files of programs, for example the shared memory of a Celery worker.

    A killed program leaves files behind, so a start empties the folder. No other program uses this name.
    """
    return data_folder / "scrip-tmp"


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=PRIVATE_FOLDER)
    except OSError as error:
        raise DataFolderUnusable(f"{folder} cannot be emptied: {error.strerror or error}") from None
    try:
        yield
    finally:
        # An error here would hide why the stack has ended. The next start removes the rest.
        shutil.rmtree(folder, ignore_errors=True)


def password(data_folder: Path, name: str) -> str:
    """Return the password of that name, generated at the first start and stored with the data."""
    path = data_folder / "secrets" / name
    if not path.exists():
        # Hexadecimal needs no quoting in a URL or a configuration file.
        write_private(path, secrets.token_hex(24))
    return path.read_text()


def write_environment(data_folder: Path, environment: Mapping[str, str]) -> None:
    """Write the file `env` of the data folder, for a shell or python-dotenv to read."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in environment.items())
    write_private(data_folder / "env", "".join(lines))


def write_private(path: Path, text: str) -> None:
    """Write a file that only the owner can read. A reader never sees half of the text."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as file:
        file.write(text)
    draft.replace(path)
