"""The command line: `scrip …`.

Each command imports its modules when it runs: the image has none for `up` and `demo`.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from scrip.commands.audit import audit
from scrip.commands.call import call_task
from scrip.commands.codes import commands as codes
from scrip.commands.customers import commands as customers
from scrip.commands.dead_letters import commands as dead_letters
from scrip.commands.discounts import commands as discounts
from scrip.commands.endings import ends_clearly
from scrip.commands.exit_codes import EPILOG
from scrip.commands.explain import explain
from scrip.commands.import_export import import_export
from scrip.commands.metrics import metrics
from scrip.commands.prune import prune
from scrip.commands.redemptions import commands as redemptions
from scrip.commands.reports import commands as reports
from scrip.commands.status import status
from scrip.commands.sweep import sweep
from scrip.commands.vouchers import commands as vouchers

main = typer.Typer(name="scrip", no_args_is_help=True, pretty_exceptions_enable=False, epilog=EPILOG)
for name, group in (
    ("vouchers", vouchers),
    ("codes", codes),
    ("redemptions", redemptions),
    ("discounts", discounts),
    ("customers", customers),
    ("reports", reports),
    ("dead-letters", dead_letters),
):
    main.add_typer(group, name=name)
main.command()(explain)
main.command()(status)
main.command()(audit)
main.command()(sweep)
main.command()(prune)
main.command()(metrics)
main.command("import")(import_export)
main.command("call")(call_task)

# A shell's exit code for a command that a signal ended is this plus the signal's number.
EXIT_BY_SIGNAL = 128
FLOORS = {"domain", "models", "scrip", "tasks", "worker"}
LEFT_OUT = {"scrip.demo", "scrip.stack"}
NOT_INSTALLED = (
    "up and demo are for development: run `make up` or `make demo` in a checkout, which installs what they need"
)


def show_version(is_asked: bool) -> None:  # noqa: FBT001 - Typer's callback
    """Show the version of the installed package, and end the command."""
    if is_asked:
        typer.echo(f"scrip {version('scrip')}")
        raise typer.Exit


@main.callback()
def scrip(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Scrip redeems vouchers and applies recurring discounts to invoices, as Celery tasks."""
    # A terminal whose encoding lacks a character is no reason to fail. A closed standard output is not a TextIOWrapper.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if "SCRIP_LOG_FORMAT" in os.environ:
        with ends_clearly():
            from worker.logs.beginning import log  # noqa: PLC0415
            from worker.settings import log_settings  # noqa: PLC0415

            log.begin("scrip", values=log_settings())


@main.command()
def up(
    data_folder: Annotated[
        Path, typer.Option("--home", help="The folder of the stack's data, logs and passwords.")
    ] = Path(".scrip"),
    procfile: Annotated[
        Path | None,
        typer.Option(help="The Procfile whose programs run, in its own folder.", show_default="the checkout's"),
    ] = None,
) -> None:
    """Start the whole stack on this machine: Postgres, Valkey, migrations, workers, beat and Flower."""
    with ends_if_not_installed():
        from scrip.stack.procfile import PROCFILE  # noqa: PLC0415
        from scrip.stack.stack import Stack  # noqa: PLC0415

    announce = partial(print, flush=True)
    with ends_with_the_stack(), Stack(data_folder, announce=announce, procfile=procfile or PROCFILE) as stack:
        stack.supervise()


@main.command()
def demo(
    data_folder: Annotated[
        Path | None, typer.Option("--home", help="An empty folder to run in and keep, instead of a temporary one.")
    ] = None,
) -> None:
    """Run the whole system on the data of examples/, and exit 0 if every answer is as expected."""
    with ends_if_not_installed():
        from scrip.demo.demo import run  # noqa: PLC0415

    with ends_with_the_stack():
        raise typer.Exit(run(data_folder=data_folder))


@contextmanager
def ends_if_not_installed() -> Iterator[None]:
    """End the command with exit code 2 and a line of text if the development packages are missing, as in the image."""
    try:
        yield
    except ModuleNotFoundError as error:
        # A missing module of our own is a fault of this code, unless the image leaves its whole room out.
        name = error.name or ""
        if name.partition(".")[0] in FLOORS and name not in LEFT_OUT:
            raise
        typer.echo(f"scrip: {NOT_INSTALLED} ({error.name} is missing)", err=True)
        raise typer.Exit(2) from None


@contextmanager
def ends_with_the_stack() -> Iterator[None]:
    """End the command with a line of text if the stack fails, and with a signal's exit code after a stop signal."""
    from scrip.stack.stack import STACK_ERRORS  # noqa: PLC0415
    from scrip.stack.stop_signals import StopRequested  # noqa: PLC0415

    try:
        yield
    except StopRequested as request:
        raise typer.Exit(EXIT_BY_SIGNAL + request.signal_number) from None
    except STACK_ERRORS as error:
        typer.echo(f"scrip: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        # Everything has stopped. A late Ctrl-C must not end the command with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
