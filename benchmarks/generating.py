"""How long it takes to generate codes, chunk by chunk as a task does it.

`make bench-catalogue` runs it on servers of its own, with Postgres's durable defaults, and ends with an audit.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.batches import CHECKOUT, create_vouchers, machine
from tasks.audit import audit
from tasks.code_messages import GenerateCodes
from tasks.generation import generate_codes
from worker.child import settle
from worker.embedded import servers

COUNT = 100_000
REPETITIONS = 5


def main() -> None:
    """This function will generate the codes of a voucher each time, and print how long it took."""
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "home") as environment:
        os.environ.update(environment)
        settle()
        subprocess.run([Path(sys.executable).with_name("alembic"), "upgrade", "head"], cwd=CHECKOUT, check=True)
        before = machine()
        seconds = [measured(voucher) for voucher in create_vouchers(REPETITIONS)]
        violations = audit()
    if violations:
        raise SystemExit(f"the audit found {len(violations)} violations: no figure counts; first: {violations[0]}")
    times = f"median {median(seconds):.1f} s, {min(seconds):.1f} to {max(seconds):.1f} s"
    Console(width=140).print(f"{COUNT:,} codes: {times}\n{before}\nafterwards: {machine()}")


def measured(voucher: str) -> float:
    """This function will return how many seconds the codes of one voucher took."""
    request = GenerateCodes.model_validate({"project": "bench", "voucher": voucher, "count": COUNT})
    started = time.perf_counter()
    generate_codes(request, report=lambda _: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
