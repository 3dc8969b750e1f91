"""Redeeming by the use case alone, on a single connection, beside SQL that writes as many rows and decides nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import BATCH, per_second
from benchmarks.plan import Plan
from benchmarks.sampling import in_turn, with_counts
from benchmarks.servers import BenchmarkServers
from benchmarks.table_line import TableLine
from tasks.redemptions.redeem import redeem_all
from worker.database import transaction


def alone(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare the use case with bare SQL, over many vouchers and on a single voucher."""
    for vouchers in (plan.vouchers, 1):
        with servers.database():
            ids = rows.add_vouchers(2 * vouchers)
            each_alone: dict[str, Callable[[int], float]] = {
                "decided": partial(redeem, ids[vouchers:]),
                "bare": BareSql(vouchers=vouchers).write,
            }
            measures = with_counts(each_alone, seconds=plan.seconds, first=2 * BATCH, most=50_000)
            rows.analyze()
            samples = in_turn(measures, repetitions=plan.repetitions)
        on = "one voucher" if vouchers == 1 else f"{vouchers:,} vouchers"
        yield TableLine(
            measure=f"redemptions decided, redeem_all alone, on {on}",
            baseline="as many rows by bare SQL",
            values=samples["decided"],
            baselines=samples["bare"],
        )


def redeem(vouchers: Sequence[str], how_many: int) -> float:
    """Redeem `how_many` requests over the vouchers in turn, and return the redemptions per second."""
    return per_second(redeem_all, rows.parsed_redemptions(rows.redemptions(vouchers, how_many=how_many)))


class BareSql:
    """SQL that writes as many rows as redeeming does, on the server, over the first vouchers in turn."""

    def __init__(self, *, vouchers: int) -> None:
        """Begin with vouchers that nobody has redeemed."""
        self._vouchers = vouchers
        self._next = 0

    def write(self, how_many: int) -> float:
        """Write the rows of `how_many` redemptions in the use case's batches, and return the redemptions per second."""
        self._next += how_many
        started = time.perf_counter()
        for first in range(self._next - how_many, self._next, BATCH):
            last = min(first + BATCH, self._next) - 1
            values = {"project": rows.PROJECT, "first": first, "last": last, "vouchers": self._vouchers}
            with transaction() as session:
                for statement in (*rows.ADD_ACCEPTED, _COUNT):
                    session.execute(text(statement), values)
        return how_many / (time.perf_counter() - started)


# The concatenation keeps the planner from treating the project as a constant, so each voucher is looked up by the whole
# key.
_COUNT = """
    UPDATE vouchers SET redemptions = vouchers.redemptions + counted.redemptions
    FROM (
        SELECT CAST(:project AS text) || '' AS project, md5('voucher-' || number % :vouchers)::uuid AS id,
               count(*) AS redemptions
        FROM generate_series(CAST(:first AS bigint), :last) AS number GROUP BY 1, 2
    ) AS counted
    WHERE vouchers.project = counted.project AND vouchers.id = counted.id
"""
