"""Redeeming, end to end: from a full queue until every effect is committed and every message is acknowledged."""

from collections.abc import Callable, Iterator

from benchmarks import pgbench, rows
from benchmarks.batches import BATCH
from benchmarks.broker import Broker
from benchmarks.plan import Plan
from benchmarks.sampling import in_turn, with_counts
from benchmarks.servers import BASELINE, BenchmarkServers
from benchmarks.table_line import TableLine, at_least

QUEUE = "redemptions"
PGBENCH_SECONDS_MIN = 1


def single(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare single messages with Celery's own task that does nothing."""
    with servers.database(), servers.workers(QUEUE, BASELINE):
        broker = Broker(servers.environment)
        vouchers = rows.add_vouchers(plan.vouchers)

        def sent_to(task: str, queue: str) -> Callable[[int], float]:
            return lambda count: broker.rate(task, rows.redemptions(vouchers, how_many=count), queue=queue)

        measures = {"redeem": sent_to("redemptions.redeem", QUEUE), "noop": sent_to("baseline.noop", BASELINE)}
        samples = in_turn(
            with_counts(measures, seconds=plan.seconds, first=200, most=20_000), repetitions=plan.repetitions
        )
    yield TableLine(
        measure="single messages redeemed, end to end",
        baseline="Celery no-op",
        values=samples["redeem"],
        baselines=samples["noop"],
        goal=at_least(3),
    )


def bulk(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare bulk messages with a transaction for each task, with each other, and with Postgres."""
    samples = _bulk_samples(servers, plan)
    on_many = f"on {plan.vouchers:,} vouchers"
    yield TableLine(
        measure=f"bulk messages ({BATCH}) redeemed, end to end",
        baseline="one ORM transaction per task",
        values=samples["many"],
        baselines=samples["orm"],
        goal=at_least(30),
    )
    yield TableLine(
        measure="the same, all on one voucher",
        baseline=f"the same {on_many}",
        values=samples["one"],
        baselines=samples["many"],
        goal=at_least(1),
    )
    yield TableLine(
        measure="one voucher, bulk",
        baseline=f"pgbench, one voucher, {pgbench.CLIENTS} clients",
        values=samples["one"],
        baselines=samples["pgbench one"],
        goal=at_least(8),
    )
    yield TableLine(
        measure=f"{plan.vouchers:,} vouchers, bulk",
        baseline=f"pgbench, {on_many}, {pgbench.CLIENTS} clients",
        values=samples["many"],
        baselines=samples["pgbench many"],
    )


def _bulk_samples(servers: BenchmarkServers, plan: Plan) -> dict[str, list[float]]:
    with servers.database(), servers.workers(QUEUE, BASELINE):
        broker = Broker(servers.environment)
        many = rows.add_vouchers(plan.vouchers)

        def redeem(vouchers: list[str], count: int) -> float:
            bodies = rows.bulks(rows.redemptions(vouchers, how_many=count), key="requests", size=BATCH)
            return broker.rate("redemptions.redeem_many", bodies, queue=QUEUE) * count / len(bodies)

        def by_orm(count: int) -> float:
            return broker.rate("baseline.redeem", rows.redemptions(many, how_many=count), queue=BASELINE)

        ours = {"many": lambda count: redeem(many, count), "one": lambda count: redeem(many[:1], count)}
        measures = with_counts(ours, seconds=plan.seconds, first=2 * BATCH, most=50_000)
        measures |= with_counts({"orm": by_orm}, seconds=plan.seconds, first=50, most=5_000)
        seconds = max(PGBENCH_SECONDS_MIN, round(plan.seconds))
        measures["pgbench one"] = lambda: pgbench.redeem_rate(servers.data_folder, vouchers=1, seconds=seconds)
        measures["pgbench many"] = lambda: pgbench.redeem_rate(
            servers.data_folder, vouchers=plan.vouchers, seconds=seconds
        )
        return in_turn(measures, repetitions=plan.repetitions)
