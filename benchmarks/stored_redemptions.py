"""Redeeming in a database with many stored redemptions, beside a database with few."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.plan import Plan
from benchmarks.redeeming_alone import redeem
from benchmarks.sampling import count_for_seconds, in_turn
from benchmarks.servers import EMPTY, BenchmarkServers
from benchmarks.table_line import TableLine, at_least
from tasks.audit.audit import audit

FEW, MANY = "scrip_few", "scrip_many"


def stored(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Redeem in batches, in turn with many and with few redemptions stored."""
    for name, count in ((FEW, plan.stored_few), (MANY, plan.stored)):
        _fill(servers, name, vouchers=plan.vouchers, redemptions=count)
    # Without a checkpoint now, the measure would include the writes of filling the databases.
    servers.checkpoint()
    vouchers = [str(rows.voucher_id(number)) for number in range(plan.vouchers)]

    def redeem_in(name: str, count: int) -> float:
        servers.use(name)
        # Connect and prepare the statements before the measure.
        redeem(vouchers, BATCH)
        return redeem(vouchers, count)

    redeem_in(MANY, plan.stored_warm_up)
    count = (
        count_for_seconds(partial(redeem_in, MANY), first=2 * BATCH, seconds=plan.seconds, most=50_000) // BATCH * BATCH
    )
    redeem_in(FEW, count)
    measures = {name: partial(redeem_in, name, count) for name in (MANY, FEW)}
    samples = in_turn(measures, repetitions=plan.repetitions)
    for name in (FEW, MANY):
        servers.use(name)
        servers.violations += audit()
    servers.use(EMPTY)
    for name in (FEW, MANY):
        servers.drop(name)
    yield TableLine(
        measure=f"redeeming with {plan.stored:,} redemptions stored",
        baseline=f"with {plan.stored_few:,} stored",
        values=samples[MANY],
        baselines=samples[FEW],
        goal=at_least(0.9),
    )


def _fill(servers: BenchmarkServers, name: str, *, vouchers: int, redemptions: int) -> None:
    servers.copy(EMPTY, to=name)
    servers.use(name)
    rows.add_vouchers(vouchers)
    with ExitStack() as afterwards:
        for table in ("redemptions", "discounts", "subscriptions"):
            afterwards.enter_context(rows.without_indexes(table))
        rows.add_redemptions(first=0, how_many=redemptions, vouchers=vouchers)
    rows.analyze()
