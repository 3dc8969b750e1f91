"""Redeeming where much has been redeemed already, beside a database where little has."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.deciding import redeem
from benchmarks.line import Line, at_least, how_many, in_turn
from benchmarks.plan import Plan
from benchmarks.stage import EMPTY, Stage
from tasks.audit.audit import audit

FEW, MANY = "scrip_few", "scrip_many"


def stored(stage: Stage, plan: Plan) -> Iterator[Line]:
    """This function will redeem in batches, in turn where few and where many redemptions are stored."""
    for name, count in ((FEW, plan.stored_few), (MANY, plan.stored)):
        stage.copy(EMPTY, to=name)
        stage.use(name)
        rows.add_vouchers(plan.vouchers)
        with ExitStack() as afterwards:
            for table in ("redemptions", "discounts", "subscriptions"):
                afterwards.enter_context(rows.without_indexes(table))
            rows.add_redemptions(first=0, how_many=count, vouchers=plan.vouchers)
        rows.analyze()
    # What the filling left to write is not what is measured.
    stage.checkpoint()
    vouchers = [str(rows.voucher_id(number)) for number in range(plan.vouchers)]

    def redeem_in(name: str, count: int) -> float:
        stage.use(name)
        # Connecting and preparing the statements is not what is measured.
        redeem(vouchers, BATCH)
        return redeem(vouchers, count)

    redeem_in(MANY, plan.stored_warm_up)
    count = how_many(partial(redeem_in, MANY), first=2 * BATCH, seconds=plan.seconds, most=50_000) // BATCH * BATCH
    redeem_in(FEW, count)
    measures = {name: partial(redeem_in, name, count) for name in (MANY, FEW)}
    samples = in_turn(measures, repetitions=plan.repetitions)
    for name in (FEW, MANY):
        stage.use(name)
        stage.violations += audit()
    stage.use(EMPTY)
    for name in (FEW, MANY):
        stage.drop(name)
    yield Line(
        measure=f"redeeming with {plan.stored:,} redemptions stored",
        baseline=f"with {plan.stored_few:,} stored",
        values=samples[MANY],
        baselines=samples[FEW],
        goal=at_least(0.9),
    )
