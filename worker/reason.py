"""Why a server could not be reached, in one line, and a command that ends with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


def reason_of(error: Exception) -> str:
    """This function will return the first line of what the driver says, without the statement that SQLAlchemy adds."""
    said = str(getattr(error, "orig", error)).strip()
    return (said.splitlines() or [type(error).__name__])[0]


@contextmanager
def told_why_not(problem: str) -> Iterator[None]:
    """This context will end the command with one line where the servers, or their addresses, are not to be had.

    The exit code is 2: with 1 a command says what it has found.
    """
    from kombu.exceptions import KombuError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except SystemExit as unusable:
        # The environment's.
        typer.echo(unusable, err=True)
        raise typer.Exit(2) from None
    except (SQLAlchemyError, KombuError) as error:
        typer.echo(f"scrip: {problem}: {reason_of(error)}", err=True)
        raise typer.Exit(2) from None
