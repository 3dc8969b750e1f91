"""Redeeming by the use case alone, on one connection, beside SQL that writes as many rows and decides nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import BATCH, per_second
from benchmarks.line import Line, in_turn, sized
from benchmarks.plan import Plan
from benchmarks.stage import Stage
from tasks.redemptions.redeem import redeem_all
from worker.database import transaction


def alone(stage: Stage, plan: Plan) -> Iterator[Line]:
    """This function will compare the use case with bare SQL, over many vouchers and on one."""
    for vouchers in (plan.vouchers, 1):
        with stage.database():
            ids = rows.add_vouchers(2 * vouchers)
            each_alone: dict[str, Callable[[int], float]] = {
                "decided": partial(redeem, ids[vouchers:]),
                "bare": Bare(vouchers=vouchers).write,
            }
            measures = sized(each_alone, seconds=plan.seconds, first=2 * BATCH, most=50_000)
            rows.analyze()
            samples = in_turn(measures, repetitions=plan.repetitions)
        on = "one voucher" if vouchers == 1 else f"{vouchers:,} vouchers"
        yield Line(
            measure=f"redemptions decided, redeem_all alone, on {on}",
            baseline="as many rows by bare SQL",
            values=samples["decided"],
            baselines=samples["bare"],
        )


def redeem(vouchers: Sequence[str], how_many: int) -> float:
    """This function will redeem so many, over those vouchers in turn, and return how many it did in a second."""
    return per_second(redeem_all, rows.parsed_redemptions(rows.redemptions(vouchers, how_many=how_many)))


class Bare:
    """As many rows as redeeming writes, made on the server, over the first vouchers in turn."""

    def __init__(self, *, vouchers: int) -> None:
        """This method will begin with vouchers that nobody has redeemed."""
        self._vouchers = vouchers
        self._next = 0

    def write(self, how_many: int) -> float:
        """This method will time the rows of so many redemptions, as many in a transaction as the use case takes."""
        self._next += how_many
        started = time.perf_counter()
        for first in range(self._next - how_many, self._next, BATCH):
            last = min(first + BATCH, self._next) - 1
            values = {"project": rows.PROJECT, "first": first, "last": last, "vouchers": self._vouchers}
            with transaction() as session:
                for statement in (*rows.ADD_ACCEPTED, _COUNT):
                    session.execute(text(statement), values)
        return how_many / (time.perf_counter() - started)


# The project is put together, so that it is not taken for a constant: the whole key is looked up for each voucher then.
_COUNT = """
    UPDATE vouchers SET redemptions = vouchers.redemptions + counted.redemptions
    FROM (
        SELECT CAST(:project AS text) || '' AS project, md5('voucher-' || number % :vouchers)::uuid AS id,
               count(*) AS redemptions
        FROM generate_series(CAST(:first AS bigint), :last) AS number GROUP BY 1, 2
    ) AS counted
    WHERE vouchers.project = counted.project AND vouchers.id = counted.id
"""
