"""Open the file that a command reads line by line, or standard input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode
from scrip.commands.request_body import STANDARD_INPUT


@contextmanager
def opened_file(file: str, *, as_json: bool) -> Iterator[tuple[Any, int | None]]:
    """Yield the text of a file and its size in bytes, or standard input and None. Line ends stay as they are.

    If the file cannot be read, the command ends.
    """
    try:
        if file == STANDARD_INPUT:
            yield _as_text(sys.stdin), None
            return
        with Path(file).open(encoding="utf-8-sig", newline="") as opened:
            yield opened, Path(file).stat().st_size
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ended(ExitCode.UNUSABLE, f"{file} cannot be read: {reason}", as_json=as_json) from None


def _as_text(stream: TextIO) -> TextIO:
    stream.reconfigure(encoding="utf-8-sig", newline="")  # type: ignore[attr-defined]
    return stream
