"""How fast the batch functions are on one connection, each beside a baseline of the same run.

`make bench` runs it on servers of its own, with Postgres's durable defaults. Repetitions of a measure and of its
baseline alternate; medians are printed, with the slowest and the fastest. A run that leaves a violation in the
audit ends without figures.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from tasks.audit import audit
from tasks.billing import apply_all
from tasks.expiry import sweep_all
from tasks.messages import Apply, CreateVoucher, Redeem
from tasks.redemptions import redeem_all
from tasks.vouchers import create_voucher
from worker.child import settle
from worker.db import run_in_transaction, transaction
from worker.embedded import servers
from worker.settings import settings

CHECKOUT = Path(__file__).parent.parent
BATCH_SIZE = 500
REPETITIONS = 7
BATCHES = 6
SINGLES = 150
SWEPT = 100_000
CALIBRATION = 10_000_000

Measure = Callable[[], float]
numbers = count(1)


def main() -> None:
    """This function will run everything and print the table."""
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "home") as environment:
        os.environ.update(environment)
        # As a worker's child does.
        settle()
        subprocess.run([Path(sys.executable).with_name("alembic"), "upgrade", "head"], cwd=CHECKOUT, check=True)
        table = Table("measure", "a second", "slowest", "fastest", "baseline", "a second", "ratio", title=machine())
        for row in measured():
            table.add_row(*row)
        table.caption = f"afterwards: {machine()}"
        violations = audit()
    if violations:
        raise SystemExit(f"the audit found {len(violations)} violations: no figure counts; first: {violations[0]}")
    Console(width=140).print(table)


def machine() -> str:
    """This function will name what the figures were measured on, and how fast it just was.

    Shared machines are slower at times by a factor of four: a plain loop says what the figures are worth.
    """
    started = time.perf_counter()
    total = 0
    for number in range(CALIBRATION):
        total += number
    seconds = time.perf_counter() - started
    name = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return f"{name}; a loop of {CALIBRATION:,} additions took {seconds:.1f} s"


def measured() -> Iterator[tuple[str, ...]]:
    """This function will yield a row of the table for each measure."""
    vouchers = create_vouchers(BATCH_SIZE)
    many, one = vouchers, vouchers[:1]
    yield compare("redeem_all, 500 vouchers", lambda: redeem(many), "batches of one", lambda: redeem_singly(many))
    yield compare("redeem_all, one voucher", lambda: redeem(one), "500 vouchers", lambda: redeem(many))
    yield compare("apply_all", lambda: apply(many), "batches of one", lambda: apply_singly(many))
    yield compare("sweep of expired vouchers", sweep, "one UPDATE of as many rows", sweep_at_once)


def compare(name: str, measure: Measure, baseline_name: str, baseline: Measure) -> tuple[str, ...]:
    """This function will alternate a measure and its baseline after one warm-up of each."""
    measure(), baseline()
    pairs = [(measure(), baseline()) for _ in range(REPETITIONS)]
    rates, baselines = zip(*pairs, strict=True)
    ratio = median(rate / other for rate, other in pairs)
    figures = (median(rates), min(rates), max(rates))
    return (name, *(f"{each:,.0f}" for each in figures), baseline_name, f"{median(baselines):,.0f}", f"{ratio:.2f}")


def create_vouchers(how_many: int) -> list[str]:
    """This function will create vouchers of a fixed amount for three months, and return their ids."""
    message = CreateVoucher.model_validate(
        {
            "project": "bench",
            "name": "Bench",
            "priceDiscount": {"amount": 999, "currency": "USD"},
            "recurrence": {"type": "repeating", "durationInMonths": 3},
            "restrictions": {"maximumRedemptions": 10**9, "maximumRedemptionsPerCustomer": 5},
        }
    )
    return [run_in_transaction(lambda session: create_voucher(session, message))["id"] for _ in range(how_many)]


def redemptions(vouchers: list[str], *, how_many: int) -> list[Redeem]:
    """This function will make requests of new customers and subscriptions, over the vouchers in turn."""
    requests = []
    for index in range(how_many):
        number = next(numbers)
        body = {
            "project": "bench",
            "requestId": f"order-{number}",
            "voucher": vouchers[index % len(vouchers)],
            "customer": f"cus_{number}",
            "subscription": f"sub_{number}",
            "currency": "USD",
            "startsOn": "2027-01-01",
        }
        requests.append(Redeem.model_validate(body))
    return requests


def invoices(requests: list[Redeem]) -> list[Apply]:
    """This function will make an invoice of two lines for each redemption's subscription."""
    return [
        Apply.model_validate(
            {
                "project": "bench",
                "invoice": f"inv_{next(numbers)}",
                "subscription": each.subscription,
                "customer": each.customer,
                "currency": "USD",
                "period": {"start": "2027-01-31", "end": "2027-02-28"},
                "lines": [{"id": "base", "amount": 4300}, {"id": "seats", "amount": 3700}],
            }
        )
        for each in requests
    ]


def rate(work: Callable[[], object], *, how_many: int) -> float:
    """This function will return how many a second that was."""
    started = time.perf_counter()
    work()
    return how_many / (time.perf_counter() - started)


def redeem_batches(batches: list[list[Redeem]]) -> list[dict]:
    """This function will redeem each batch in a transaction of its own."""
    return [item for batch in batches for item in run_in_transaction(lambda session: redeem_all(session, batch))]  # noqa: B023


def apply_batches(batches: list[list[Apply]]) -> list[dict]:
    """This function will discount each batch in a transaction of its own."""
    return [item for batch in batches for item in run_in_transaction(lambda session: apply_all(session, batch))]  # noqa: B023


def redeem(vouchers: list[str]) -> float:
    """This function will time batches of 500 redemptions."""
    batches = [redemptions(vouchers, how_many=BATCH_SIZE) for _ in range(BATCHES)]
    return rate(lambda: redeem_batches(batches), how_many=BATCH_SIZE * BATCHES)


def redeem_singly(vouchers: list[str]) -> float:
    """This function will time single redemptions, each its own transaction."""
    batches = [[each] for each in redemptions(vouchers, how_many=SINGLES)]
    return rate(lambda: redeem_batches(batches), how_many=SINGLES)


def apply(vouchers: list[str]) -> float:
    """This function will time batches of 500 invoices, each with one discount that takes something off."""
    granted = [redemptions(vouchers, how_many=BATCH_SIZE) for _ in range(BATCHES)]
    redeem_batches(granted)
    batches = [invoices(each) for each in granted]
    return rate(lambda: apply_batches(batches), how_many=BATCH_SIZE * BATCHES)


def apply_singly(vouchers: list[str]) -> float:
    """This function will time single invoices, each its own transaction."""
    granted = redemptions(vouchers, how_many=SINGLES)
    redeem_batches([granted])
    batches = [[each] for each in invoices(granted)]
    return rate(lambda: apply_batches(batches), how_many=SINGLES)


def expired_vouchers() -> None:
    """This function will add vouchers that are due, by SQL: creating them is not what is measured."""
    with transaction() as session:
        session.execute(
            text("""
                INSERT INTO vouchers (project, id, created_at, name, percentage_basis_points, recurrence,
                                      expires_at, metadata)
                SELECT 'bench', gen_random_uuid(), now(), 'Due', 1000, 'once', now() - interval '1 hour', '{}'
                FROM generate_series(1, :how_many)
            """),
            {"how_many": SWEPT},
        )


def sweep() -> float:
    """This function will time the sweep, in batches as beat runs it."""
    expired_vouchers()
    return rate(lambda: sweep_all(batch_size=settings().sweep_batch_size), how_many=SWEPT)


def sweep_at_once() -> float:
    """This function will time one UPDATE of as many rows in one transaction."""
    expired_vouchers()

    def update() -> None:
        with transaction() as session:
            session.execute(
                text("""
                    UPDATE vouchers SET retired_reason = 'expired', retired_at = expires_at
                    WHERE retired_reason IS NULL AND expires_at <= now()
                """)
            )

    return rate(update, how_many=SWEPT)


if __name__ == "__main__":
    main()
