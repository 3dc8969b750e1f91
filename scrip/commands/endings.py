"""End a command with a message on standard error and an exit code, whatever the reason."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from scrip.commands.exit_codes import ExitCode


def ended(code: ExitCode, message: str, *, as_json: bool = False, **details: Any) -> typer.Exit:
    """Say why the command ends, as a line of text or as an object in JSON, and return what ends it."""
    if as_json:
        line = json.dumps({"object": "error", "exitCode": code, "error": code.name, "message": message, **details})
    else:
        line = f"scrip: {message}"
    typer.echo(line, err=True)
    return typer.Exit(code)


@contextmanager
def ends_clearly(problem: str = "the servers cannot be reached", *, as_json: bool = False) -> Iterator[None]:
    """End the command with the exit code of any error that it may meet, and never with a traceback.

    `problem` is what a lost server means to the command.
    """
    from amqp.exceptions import AMQPError  # type: ignore[import-untyped]  # noqa: PLC0415
    from kombu.exceptions import KombuError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from tasks.wire.errors import INFRASTRUCTURE_FAULTS, InvalidRequest, NotFound, Undecided  # noqa: PLC0415
    from worker.database import driver_message  # noqa: PLC0415
    from worker.own_signature import NoSigningKeyError  # noqa: PLC0415

    try:
        yield
    except InvalidRequest as error:
        raise _invalid(error.errors, as_json=as_json) from None
    except NotFound as error:
        raise ended(ExitCode.NOT_FOUND, f"the project has no such {error}", as_json=as_json) from None
    except Undecided as error:
        raise ended(ExitCode.UNDECIDED, f"the request cannot be decided: {error}", as_json=as_json) from None
    except SystemExit as unusable:
        # worker.settings ends the process with SystemExit if the environment is incomplete.
        message = str(unusable).removeprefix("scrip: ")
        raise ended(ExitCode.UNUSABLE, message, as_json=as_json) from None
    except NoSigningKeyError as error:
        raise ended(ExitCode.UNUSABLE, f"the message cannot be signed: {error}", as_json=as_json) from None
    except (SQLAlchemyError, KombuError, AMQPError, RedisError, *INFRASTRUCTURE_FAULTS) as error:
        message = f"{problem}: {driver_message(error)}"
        raise ended(ExitCode.UNUSABLE, message, as_json=as_json) from None
    except UnicodeEncodeError:
        raise ended(ExitCode.INVALID, "an argument is not UTF-8", as_json=as_json) from None
    except BrokenPipeError:
        # Python would say so again when it flushes the output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.PIPE_CLOSED) from None


@contextmanager
def only_reads(problem: str = "the servers cannot be reached", *, as_json: bool = False) -> Iterator[None]:
    """End a command as `ends_clearly` does, and connect with DATABASE_READER_URL if it is set.

    For commands that change nothing.
    """
    with ends_clearly(problem, as_json=as_json):
        from worker.database import as_reader  # noqa: PLC0415

        with as_reader():
            yield


def _invalid(errors: list[dict[str, str]], *, as_json: bool) -> typer.Exit:
    if as_json:
        return ended(ExitCode.INVALID, "the request is invalid", as_json=True, errors=errors)
    lines = (f"{each['field']}: {each['message']}" for each in errors)
    return ended(ExitCode.INVALID, "\nscrip: ".join(lines))
