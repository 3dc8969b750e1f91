"""Two transactions in every order of their statements: limits hold, nobody is refused falsely, and nothing collides.

The control takes a lock out of the statements. Then some order must show the fault, or the harness proves nothing.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from tests.faults.checker import find_broken_promises
from tests.faults.history import SUCCESS, Asking, History, Json
from tests.faults.stepping import Schedule, Stepper, every_order, some_orders
from tests.support.requests import invoice, redemption, voucher_body
from tests.support.tasks import task_named
from worker import database as db

FEBRUARY = {"start": "2027-02-01", "end": "2027-03-01"}
# The orders in `make test`. With the mark `scale`, all 3,417 run.
SEED, FIRST, DRAWN = 20_261_128, 20, 25
CONTROL_ORDERS_MAX = 200
LOCK = " FOR NO KEY UPDATE OF "

_numbers = count(1)


class Recorder:
    """Calls tasks, and records the askings with a clock that ticks at each call."""

    def __init__(self) -> None:
        self.askings: list[Asking] = []
        self.ticks = count()

    def ask(self, task: str, request: Json) -> Json:
        """Call a task that must succeed, and return the answer."""
        sent_at = next(self.ticks)
        answer: Json = task_named(task)(request=request)
        self.note(task, request, sent_at=sent_at, state=SUCCESS, answer=answer)
        return answer

    def note(self, task: str, request: Json, *, sent_at: float, state: str, answer: Any) -> None:
        """Record an asking that is answered now."""
        self.askings.append(
            Asking(
                task=task, request=request, sent_at=sent_at, answered_at=next(self.ticks), state=state, answer=answer
            )
        )

    def created(self, **fields: Any) -> Json:
        """Create a voucher."""
        return self.ask("vouchers.create", voucher_body(requestId=f"voucher-{next(_numbers)}", **fields))

    def subscribed(self, *, voucher: Json, subscription: str) -> None:
        """Redeem a voucher for a subscription."""
        request = redemption(voucher=voucher["id"], subscription=subscription, startsOn="2027-01-01", currency="USD")
        assert self.ask("redemptions.redeem", request)["outcome"] == "accepted"


Request = tuple[str, Json]


def last_place(recorder: Recorder) -> list[Request]:
    """Return two redemptions of the last of two places, by the voucher's id."""
    voucher = recorder.created(restrictions={"maximumRedemptions": 2})
    recorder.ask("redemptions.redeem", redemption(voucher=voucher["id"]))
    return [("redemptions.redeem", redemption(voucher=voucher["id"])) for _ in range(2)]


def last_place_by_code(recorder: Recorder) -> list[Request]:
    """Return two redemptions of the only place, by the voucher's code."""
    code = f"CODE-{next(_numbers)}"
    recorder.created(code=code, restrictions={"maximumRedemptions": 1})
    return [("redemptions.redeem", redemption(code=code)) for _ in range(2)]


def rest_of_a_budget(recorder: Recorder) -> list[Request]:
    """Return two invoices of different subscriptions. The budget is enough for one and a quarter."""
    voucher = recorder.created(budget={"amount": 1_000, "currency": "USD"})
    subscriptions = [f"sub_budget_{next(_numbers)}" for _ in range(2)]
    for each in subscriptions:
        recorder.subscribed(voucher=voucher, subscription=each)
    return [("billing.apply", invoice(subscription=each, period=FEBRUARY)) for each in subscriptions]


def one_cycle(recorder: Recorder) -> list[Request]:
    """Return two invoices of a subscription with a discount for a single invoice."""
    subscription = f"sub_once_{next(_numbers)}"
    recorder.subscribed(voucher=recorder.created(recurrence={"type": "once"}), subscription=subscription)
    return [("billing.apply", invoice(subscription=subscription, period=FEBRUARY)) for _ in range(2)]


def two_reversals(recorder: Recorder) -> list[Request]:
    """Return a void and a failed payment of one invoice."""
    subscription = f"sub_reversed_{next(_numbers)}"
    recorder.subscribed(voucher=recorder.created(), subscription=subscription)
    billed = invoice(subscription=subscription, period=FEBRUARY)
    recorder.ask("billing.apply", billed)
    own = {"project": billed["project"], "invoice": billed["invoice"]}
    return [
        ("billing.reverse", {**own, "kind": kind, "requestId": f"reversal-{next(_numbers)}"})
        for kind in ("voided", "payment_failed")
    ]


def retired_meanwhile(recorder: Recorder) -> list[Request]:
    """Return a redemption, and the retirement of its voucher."""
    voucher = recorder.created()
    return [
        ("redemptions.redeem", redemption(voucher=voucher["id"])),
        ("vouchers.retire", {"project": voucher["project"], "voucher": voucher["id"]}),
    ]


def maximum_lowered(recorder: Recorder) -> list[Request]:
    """Return a redemption of the second place of two, and an update that takes this place away."""
    voucher = recorder.created(restrictions={"maximumRedemptions": 3})
    recorder.ask("redemptions.redeem", redemption(voucher=voucher["id"]))
    recorder.ask("redemptions.redeem", redemption(voucher=voucher["id"]))
    lower = {"restrictions": {"maximumRedemptions": 2}, "requestId": f"update-{next(_numbers)}"}
    return [
        ("redemptions.redeem", redemption(voucher=voucher["id"])),
        ("vouchers.update", {"project": voucher["project"], "voucher": voucher["id"], **lower}),
    ]


def two_moves(recorder: Recorder) -> list[Request]:
    """Return moves of two discounts of a voucher to the same subscription, where one of them can run."""
    voucher = recorder.created()
    number = next(_numbers)
    old = [
        recorder.ask("redemptions.redeem", redemption(voucher=voucher["id"], subscription=f"sub_old_{number}_{each}"))
        for each in range(2)
    ]
    # Otherwise the row of the new subscription would make the second move wait, with or without a lock.
    recorder.subscribed(voucher=recorder.created(), subscription=f"sub_new_{number}")
    target = {"project": voucher["project"], "subscription": f"sub_new_{number}", "actor": "anna"}
    return [
        ("discounts.move", {**target, "discount": each["discount"], "requestId": note, "note": note})
        for each, note in ((each, f"move-{next(_numbers)}") for each in old)
    ]


class Case(NamedTuple):
    """Two requests in a new situation, and the table whose lock the control takes out."""

    prepare: Callable[[Recorder], list[Request]]
    lock: str

    @property
    def name(self) -> str:
        """The name of the case."""
        return self.prepare.__name__


CASES = (
    Case(last_place, "vouchers"),
    Case(last_place_by_code, "vouchers"),
    Case(rest_of_a_budget, "budgets"),
    Case(one_cycle, "discounts"),
    Case(two_reversals, "subscriptions"),
    Case(retired_meanwhile, "vouchers"),
    Case(maximum_lowered, "vouchers"),
    Case(two_moves, "subscriptions"),
)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def without_lock(table: str) -> Callable[[str], str]:
    """Return a function that takes the row lock of a table out of a statement."""
    return lambda statement: statement.replace(f"{LOCK}{table}", "")


@pytest.fixture
def stepped(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stepper]]:
    """Return a function that makes a stepper on an engine with a connection for each transaction."""
    engine: Engine = create_engine(db.engine().url, pool_size=4, hide_parameters=True)
    monkeypatch.setattr(db, "engine", lambda: engine)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as observer:
        yield partial(Stepper, engine, observer)
    monkeypatch.undo()
    engine.dispose()


def problems_of(case: Case, stepper: Stepper, schedule: Schedule) -> list[Any]:
    """Run both requests in an order, ask both again, and return all that is wrong."""
    recorder = Recorder()
    requests = case.prepare(recorder)
    stepper.constraint_errors.clear()
    sent_at = next(recorder.ticks)
    ended = stepper.run([partial(task_named(task), request=request) for task, request in requests], schedule)
    for (task, request), future in zip(requests, ended, strict=True):
        error = future.exception()
        outcome = (
            {"state": "FAILURE", "answer": repr(error)} if error else {"state": SUCCESS, "answer": future.result()}
        )
        recorder.note(task, request, sent_at=sent_at, **outcome)
    problems: list[Any] = [*stepper.constraint_errors]
    for (task, request), future in zip(requests, ended, strict=True):
        if not future.exception():
            recorder.ask(task, request)
    return problems + find_broken_promises(History(recorder.askings))


def step_through(case: Case, stepper: Stepper, schedules: Iterator[Schedule]) -> None:
    """Run a case in each order. In some, a transaction waits for the other: otherwise nothing was interleaved."""
    with stepper.listening():
        for schedule in schedules:
            assert problems_of(case, stepper, schedule) == [], schedule.choices
    assert stepper.waits > 0


@pytest.mark.slow
@each_case
@pytest.mark.usefixtures("database")
def test_some_orders_of_two_transactions_break_no_promise(case: Case, stepped: Callable[..., Stepper]) -> None:
    """All orders of a case with few of them, and of the others a selection."""
    step_through(case, stepped(), some_orders(first=FIRST, drawn=DRAWN, seed=SEED))


@pytest.mark.scale
@each_case
@pytest.mark.usefixtures("database")
def test_every_order_of_two_transactions_breaks_no_promise(case: Case, stepped: Callable[..., Stepper]) -> None:
    """The two reversals have the most orders, 1,918, which take two and a half minutes."""
    step_through(case, stepped(), every_order())


@pytest.mark.slow
@each_case
@pytest.mark.usefixtures("tampered_database")
def test_without_the_lock_some_order_shows_the_fault(case: Case, stepped: Callable[..., Stepper]) -> None:
    """The control: over-redemption, or the error of a constraint behind the lock."""
    stepper = stepped(rewrite=without_lock(case.lock))
    with stepper.listening():
        orders = islice(every_order(), CONTROL_ORDERS_MAX)
        assert any(problems_of(case, stepper, schedule) for schedule in orders)
