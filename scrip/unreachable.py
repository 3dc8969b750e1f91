"""End a command with a clear message if a server cannot be reached or an address is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def ends_if_unreachable(problem: str) -> Iterator[None]:
    """End the command with exit code 2 and a line of text if a server cannot be reached or an address is missing.

    Exit code 1 is reserved for the findings of a command.
    """
    from amqp.exceptions import AMQPError  # type: ignore[import-untyped]  # noqa: PLC0415
    from kombu.exceptions import KombuError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from worker.database import driver_message  # noqa: PLC0415

    try:
        yield
    except SystemExit as unusable:
        # worker.settings ends the process with SystemExit if the environment is incomplete.
        typer.echo(unusable, err=True)
        raise typer.Exit(2) from None
    except (SQLAlchemyError, KombuError, AMQPError) as error:
        typer.echo(f"scrip: {problem}: {driver_message(error)}", err=True)
        raise typer.Exit(2) from None
