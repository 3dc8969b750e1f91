"""How long it takes to generate codes, chunk by chunk as a task does it.

`make bench-catalogue` runs it on servers of its own, with Postgres's durable defaults, and ends with an audit.
"""

import time
from statistics import median

from rich.console import Console

from benchmarks.machine import calibrated
from benchmarks.rows import PROJECT, add_vouchers
from benchmarks.stage import stage
from tasks.codes.generate import generate_codes
from tasks.codes.messages import GenerateCodes

COUNT = 100_000
REPETITIONS = 5


def main() -> None:
    """This function will generate the codes of a voucher each time, and print how long it took."""
    with stage() as made:
        with made.database():
            before = calibrated()
            seconds = [measured(voucher) for voucher in add_vouchers(REPETITIONS)]
        made.require_clean()
    times = f"median {median(seconds):.1f} s, {min(seconds):.1f} to {max(seconds):.1f} s"
    Console(width=140).print(f"{COUNT:,} codes: {times}\n{before}\nafterwards: {calibrated()}")


def measured(voucher: str) -> float:
    """This function will return how many seconds the codes of one voucher took."""
    request = GenerateCodes.model_validate({"project": PROJECT, "voucher": voucher, "count": COUNT})
    started = time.perf_counter()
    generate_codes(request, report=lambda _: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
