"""Read a file of keys, which only its owner and a group that reads it may open."""

import os
import stat
from base64 import b64decode
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

Read = TypeVar("Read", bound=BaseModel)
# Far more than a thousand keys.
BYTES_MAX = 2**20
# The group may read: that is how Kubernetes and systemd hand a secret to a process that is not root.
FORBIDDEN_BITS = stat.S_IXUSR | stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


class UnusableFileError(Exception):
    """A file of keys cannot be used. The text is one line, names the problem, and shows no key."""


class FileModel(BaseModel):
    """The base of what a file of keys has. A misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)


def _decoded(text: object) -> bytes:
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raise PydanticCustomError("base64", "must be base64") from None


Base64 = Annotated[bytes, BeforeValidator(_decoded)]


def read_secret_file(path: str | Path, kind: type[Read]) -> Read:
    """Return what the file has. Raises UnusableFileError if it cannot be read, is open to others, or is invalid."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UnusableFileError("it is no file")
            if found.st_mode & FORBIDDEN_BITS:
                mode = stat.S_IMODE(found.st_mode)
                raise UnusableFileError(f"its mode is {mode:04o}, and others may use it: chmod 0600")
            text = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise UnusableFileError(error.strerror or type(error).__name__) from None
    if len(text) > BYTES_MAX:
        raise UnusableFileError(f"it has more than {BYTES_MAX} bytes")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise UnusableFileError(_problems(error)) from None


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    located = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"] for each in problems)
    return "; ".join(located).replace("\n", " ")
