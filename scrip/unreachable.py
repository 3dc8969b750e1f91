"""End a command with one line if a server, or its address, cannot be had."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def ends_if_unreachable(problem: str) -> Iterator[None]:
    """End the command with exit code 2 and one line if the servers, or their addresses, cannot be had.

    Exit code 1 is left for a command's own findings.
    """
    from kombu.exceptions import KombuError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from worker.database import driver_message  # noqa: PLC0415

    try:
        yield
    except SystemExit as unusable:
        # The settings end a process so if the environment is incomplete.
        typer.echo(unusable, err=True)
        raise typer.Exit(2) from None
    except (SQLAlchemyError, KombuError) as error:
        typer.echo(f"scrip: {problem}: {driver_message(error)}", err=True)
        raise typer.Exit(2) from None
