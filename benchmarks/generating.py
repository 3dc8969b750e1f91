"""The time to generate 100,000 codes, chunk by chunk as the task does.

`make bench-catalogue` runs this on its own servers, with Postgres's durable defaults, and ends with an audit.
"""

import time
from statistics import median

from rich.console import Console

from benchmarks.machine import calibrated
from benchmarks.rows import PROJECT, add_vouchers
from benchmarks.servers import benchmark_servers
from tasks.codes.generate import generate_codes
from tasks.codes.messages import GenerateCodes

COUNT = 100_000
REPETITIONS = 5


def main() -> None:
    """Generate the codes of five vouchers, and print the times."""
    with benchmark_servers() as servers:
        with servers.database():
            before = calibrated()
            seconds = [seconds_for(voucher) for voucher in add_vouchers(REPETITIONS)]
        servers.require_clean()
    times = f"median {median(seconds):.1f} s, {min(seconds):.1f} to {max(seconds):.1f} s"
    Console(width=140).print(f"{COUNT:,} codes: {times}\n{before}\nafterwards: {calibrated()}")


def seconds_for(voucher: str) -> float:
    """Return the seconds to generate the codes of a voucher."""
    request = GenerateCodes.model_validate({"project": PROJECT, "voucher": voucher, "count": COUNT})
    started = time.perf_counter()
    generate_codes(request, report=lambda _: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
