"""The folder a stack lives in: its lock, its passwords and the file that tells others where the servers are."""

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


class HomeUnusable(Exception):
    """The home belongs to another stack, or cannot be written. The message is one clear line."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """This context will hold `home` for this process alone, with its folders made and no stale `env` in it."""
    try:
        for folder in (home, home / "logs", home / "secrets"):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = (home / "lock").open("a")
    except OSError as error:
        raise HomeUnusable(f"the home {home} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeUnusable(f"another stack is running in {home}") from None
        # A stack that was killed had no time to remove it.
        (home / "env").unlink(missing_ok=True)
        with _emptied(temporary_folder(home)):
            yield


def temporary_folder(home: Path) -> Path:
    """This function will return where programs put what is temporary.

    What was killed does not remove it, as a Celery worker its shared memory. Its name is nobody else's: it is emptied.
    """
    return home / "scrip-tmp"


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=PRIVATE_FOLDER)
    except OSError as error:
        raise HomeUnusable(f"{folder} cannot be emptied: {error.strerror or error}") from None
    try:
        yield
    finally:
        # What is left of it, the next start removes. An error here would hide why the stack has ended.
        shutil.rmtree(folder, ignore_errors=True)


def password(home: Path, name: str) -> str:
    """This function will return the password of that name, generated at the first start and kept with the data."""
    path = home / "secrets" / name
    if not path.exists():
        # Hexadecimal: it stands in a URL and in a configuration file as it is.
        write_private(path, secrets.token_hex(24))
    return path.read_text()


def write_environment(home: Path, environment: Mapping[str, str]) -> None:
    """This function will write `home/env`, for a shell or python-dotenv to read."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in environment.items())
    write_private(home / "env", "".join(lines))


def write_private(path: Path, text: str) -> None:
    """This function will write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as file:
        file.write(text)
    draft.replace(path)
