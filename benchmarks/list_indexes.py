"""What the indexes of lists cost redeeming and billing: `make bench-lists`.

Two copies of a database take turns, batch by batch. One of them lacks the indexes. Each row has the medians of the time
on the clock, the median of the ratios of each turn, and the ratio of the processor time of all turns: of Python and
Postgres together, and of Postgres alone. Other work on the machine disturbs the clock more than the processor time.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.servers import BenchmarkServers, benchmark_servers
from tasks.invoices.apply import apply_all
from tasks.redemptions.messages import Redeem, Reserve
from tasks.redemptions.redeem import redeem_all
from tasks.redemptions.reserve import reserve_all
from worker.database import engine

VOUCHERS = 10_000
STORED = 200_000
STORED_TEMPLATE, WITH, WITHOUT = "scrip_stored", "scrip_with", "scrip_without"
# The indexes that only lists use.
LISTING = text("""
    SELECT indexname FROM pg_indexes
    WHERE indexname IN ('ix_redemptions_reason', 'ix_redemptions_accepted_code', 'ix_redemptions_unknown_code')
       OR indexname LIKE 'ix_redemptions_refused_%' OR indexname LIKE 'ix_holds_of_%'
       OR indexname LIKE 'ix_invoice_discounts_%'
""")
ADD_CODES = text("""
    INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
    SELECT project, id, id, 'CODE-' || id, now(), true FROM vouchers
""")
TICKS_PER_SECOND = 100

Decide = Callable[[Session, int], object]


class Sample(NamedTuple):
    """The seconds that a batch took: on the clock, and on the processor, in Python and in Postgres."""

    clock: float
    python: float
    postgres: float


class Side:
    """A database with a connection of its own."""

    def __init__(self, servers: BenchmarkServers, name: str) -> None:
        """Connect. The engine of the process is then that of the next database."""
        servers.use(name)
        self.engine: Engine = engine()
        engine.cache_clear()
        with self.engine.connect() as connection:
            self._server = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            self._log = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")

    def take(self, decide: Decide, turn: int) -> Sample:
        """Decide a batch in a transaction."""
        began = self._now()
        with Session(self.engine, autoflush=False) as session, session.begin():
            decide(session, turn)
        ended = self._now()
        return Sample(*(after - before for before, after in zip(began, ended, strict=True)))

    def _now(self) -> tuple[float, float, float]:
        fields = Path(f"/proc/{self._server}/stat").read_text().rpartition(")")[2].split()
        return time.perf_counter(), time.process_time(), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def redeem(session: Session, turn: int, *, named: str) -> None:
    """Redeem a batch of vouchers, by id or by code."""
    vouchers = [str(rows.voucher_id((turn * BATCH + number) % VOUCHERS)) for number in range(BATCH)]
    bodies = rows.redemptions(vouchers, how_many=BATCH)
    if named == "code":
        bodies = [{**each, "voucher": None, "code": f"CODE-{each['voucher']}"} for each in bodies]
    redeem_all(session, rows.parsed_redemptions(bodies))


def refuse(session: Session, turn: int) -> None:
    """Refuse a batch of redemptions, because the currency has no amount."""
    vouchers = [str(rows.voucher_id((turn * BATCH + number) % VOUCHERS)) for number in range(BATCH)]
    bodies = [{**each, "currency": "EUR"} for each in rows.redemptions(vouchers, how_many=BATCH)]
    redeem_all(session, [Redeem.model_validate(each) for each in bodies])


def reserve(session: Session, turn: int) -> None:
    """Reserve a batch of places."""
    vouchers = [str(rows.voucher_id((turn * BATCH + number) % VOUCHERS)) for number in range(BATCH)]
    reserve_all(session, [Reserve.model_validate(each) for each in rows.redemptions(vouchers, how_many=BATCH)])


def bill(session: Session, turn: int) -> None:
    """Discount a batch of invoices."""
    bodies = [rows.invoice(number) for number in range(turn * BATCH, (turn + 1) * BATCH)]
    apply_all(session, rows.parsed_invoices(bodies))


KINDS: dict[str, Decide] = {
    "redeem by the voucher's id": partial(redeem, named="voucher"),
    "redeem by a code": partial(redeem, named="code"),
    "refuse": refuse,
    "reserve": reserve,
    "apply to an invoice": bill,
}


def run(
    turns: Annotated[int, typer.Option(help="Batches of 500 on each side, of each kind.")] = 80,
) -> None:
    """Measure, and print a row for each kind."""
    with benchmark_servers(postgres={"max_wal_size": "8GB", "checkpoint_timeout": "30min"}) as servers:
        fill(servers)
        sides = (Side(servers, WITH), Side(servers, WITHOUT))
        print("| a batch of 500 | with | without | clock, ratio | middle half | processor, ratio | of Postgres alone |")
        print("|---|---|---|---|---|---|---|")
        for kind, decide in KINDS.items():
            print(row(kind, in_turn(sides, decide, turns=turns)), flush=True)
        for side in sides:
            side.engine.dispose()


def fill(servers: BenchmarkServers) -> None:
    """Make two copies of a database with stored redemptions, the second without the indexes."""
    with servers.database() as name:
        rows.add_vouchers(VOUCHERS)
        rows.add_redemptions(first=0, how_many=STORED, vouchers=VOUCHERS)
        with Session(engine()) as session, session.begin():
            session.execute(ADD_CODES)
            session.execute(text("UPDATE vouchers SET code = 'CODE-' || id"))
        rows.analyze()
        for copy in (WITH, WITHOUT):
            servers.copy(name, to=copy)
    servers.violations.clear()
    servers.use(WITHOUT)
    with Session(engine()) as session, session.begin():
        for index in session.execute(LISTING).scalars().all():
            session.execute(text(f"DROP INDEX {index}"))
    servers.checkpoint()


def in_turn(sides: Sequence[Side], decide: Decide, *, turns: int) -> list[list[Sample]]:
    """Let the sides take turns, each first in every other turn. The first five turns do not count."""
    samples: list[list[Sample]] = [[], []]
    for turn in range(turns + 5):
        for side in (0, 1) if turn % 2 else (1, 0):
            samples[side].append(sides[side].take(decide, turn))
    return [each[5:] for each in samples]


def row(kind: str, samples: Sequence[Sequence[Sample]]) -> str:
    """Return a row of the table."""
    ratios = [with_.clock / without.clock for with_, without in zip(*samples, strict=True)]
    lower, _, upper = quantiles(ratios, n=4)
    postgres = [sum(each.postgres for each in side) for side in samples]
    python = [sum(each.python for each in side) for side in samples]
    processor = (python[0] + postgres[0]) / (python[1] + postgres[1])
    clock = " | ".join(f"{median(each.clock for each in side) * 1000:.0f} ms" for side in samples)
    return (
        f"| {kind} | {clock} | {median(ratios):.3f} | {lower:.3f} to {upper:.3f} "
        f"| {processor:.3f} | {postgres[0] / postgres[1]:.3f} |"
    )


if __name__ == "__main__":
    typer.run(run)
