"""The time and the memory of `scrip import stripe --apply`, for an export and for a tenth of it: `make bench-import`.

The export has a promotion code in ten for a customer, and each coupon has ten. The program runs by itself, so its peak
memory is its own. An import that is repeated finds everything imported. Beside the clock stands the processor time of
the program and of Postgres, which other work on the machine hardly changes.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer
from rich.console import Console

from benchmarks.machine import calibrated
from benchmarks.servers import BenchmarkServers, benchmark_servers

COUPONS = 100_000
CODES_OF_COUPON = 10
PART = 10
MEBI = 1_024
CREATED = 1_700_000_000
# Of a process: for itself and for its children that have ended, each in user and system mode.
CHILDREN_TIMES = 4


class Run(NamedTuple):
    """The seconds of an import, those of the processor for the program and for Postgres, and its peak memory in MiB."""

    seconds: float
    program: float
    postgres: float
    memory: int


def main(coupons: Annotated[int, typer.Option(help="The number of coupons.")] = COUPONS) -> None:
    """Import a tenth and the whole, each twice, and print the times and the memory."""
    with benchmark_servers() as servers:
        before = calibrated()
        lines = [
            line
            for count in (coupons // PART, coupons)
            for line in measured(servers, coupons=count, folder=servers.data_folder)
        ]
        servers.require_clean()
    Console(width=140).print("\n".join([*lines, f"{before}\nafterwards: {calibrated()}"]))


def measured(servers: BenchmarkServers, *, coupons: int, folder: Path) -> list[str]:
    """Return a line about the import of so many coupons with their codes, and one about its repetition."""
    file = folder / "export.jsonl"
    write_export(file, coupons=coupons)
    size = file.stat().st_size // MEBI**2
    with servers.database():
        runs = {each: run(file, folder=folder) for each in ("imported", "repeated")}
    file.unlink()
    codes = coupons * CODES_OF_COUPON
    return [
        f"{coupons:,} coupons and {codes:,} codes ({size} MiB) {name}: {each.seconds:.0f} s, "
        f"processor {each.program:.0f} s and Postgres {each.postgres:.0f} s, {each.memory} MiB"
        for name, each in runs.items()
    ]


def write_export(file: Path, *, coupons: int) -> None:
    """Write an export of Stripe in JSON Lines, the promotion codes first."""
    with file.open("w") as opened:
        for number in range(coupons * CODES_OF_COUPON):
            opened.write(json.dumps(promotion_code(number)) + "\n")
        for number in range(coupons):
            opened.write(json.dumps(coupon(number)) + "\n")


def coupon(number: int) -> dict[str, object]:
    """Return a coupon as Stripe writes it."""
    return {
        "id": f"COUPON-{number}",
        "object": "coupon",
        "amount_off": None,
        "created": CREATED,
        "currency": None,
        "duration": "repeating",
        "duration_in_months": 3,
        "livemode": True,
        "max_redemptions": None,
        "metadata": {},
        "name": f"Coupon {number}",
        "percent_off": 25.5,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def promotion_code(number: int) -> dict[str, object]:
    """Return a promotion code as Stripe writes it."""
    return {
        "id": f"promo_{number:024}",
        "object": "promotion_code",
        "active": True,
        "code": f"CODE{number:012}",
        "promotion": {"type": "coupon", "coupon": f"COUPON-{number // CODES_OF_COUPON}"},
        "created": CREATED + number,
        "customer": None if number % CODES_OF_COUPON else f"cus_{number}",
        "expires_at": None,
        "livemode": True,
        "max_redemptions": 1,
        "metadata": {},
        "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
        "times_redeemed": 0,
    }


def run(file: Path, *, folder: Path) -> Run:
    """Run the program, which must import everything, and return what it took."""
    command = [sys.executable, "-m", "scrip.cli", "import", "stripe", str(file), "--project", "bench", "--apply"]
    started, before = time.perf_counter(), _postgres_seconds()
    # Not waited for by the Popen, because only wait4 tells the memory.
    program = subprocess.Popen([*command, "--report", str(folder / "report.csv")], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise SystemExit(f"the import ended with {program.returncode}")
    return Run(
        seconds=time.perf_counter() - started,
        program=used.ru_utime + used.ru_stime,
        postgres=_postgres_seconds() - before,
        memory=used.ru_maxrss // MEBI,
    )


def _postgres_seconds() -> float:
    """Return the processor time of the server so far, with that of connections that are closed."""
    processes = (each for each in psutil.Process().children(recursive=True) if each.name() == "postgres")
    return sum(sum(each.cpu_times()[:CHILDREN_TIMES]) for each in processes)


if __name__ == "__main__":
    typer.run(main)
