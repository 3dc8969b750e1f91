"""Recovery: the time until everything in flight is answered after a fault, and the latency of new requests meanwhile.

`make bench-recovery` runs two workers at the default settings and a steady load of single redemptions. Each round first
measures the load undisturbed, and then each fault:

- all connections to Valkey are cut;
- Valkey is killed and started again;
- Postgres is stopped for 15 s and started again;
- a worker is killed while it holds 1,500 messages more;
- nothing happens, but only one worker is left.

A latency lasts from the instant at which the request is due until the answer arrives. A request is in flight if it is
due before the recovery begins, and not answered by then. The recovery begins when a worker is killed, when connections
are cut, or when a server answers again.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import rows
from benchmarks.__main__ import WIDTH, Size, table_of, take_measure, write
from benchmarks.answers import Answers
from benchmarks.breakable_servers import BreakableServers, breakable_servers, pause_briefly
from benchmarks.broker import Broker
from benchmarks.locked_backlog import locked, suspended, wait_until_held
from benchmarks.machine import machine
from benchmarks.recovery_figures import TIMES_MAX, Recovery, Undisturbed, merged, recovery_of
from benchmarks.servers import CHECKOUT
from benchmarks.steady_load import QUEUE, Staged, SteadyLoad, staged
from benchmarks.table_line import TableLine, at_most
from scrip.stack.process import StackProcess
from worker.database import engine

# A light load: a worker handles thirty times as many.
RATE = 60
VOUCHERS = 100
BACKLOG = 1_500
UNDISTURBED_SECONDS = 20
# The first requests connect and prepare statements.
WARM_UP_SECONDS = 3
# After this time everything must be as before.
RECOVERY_SECONDS = 30
AWAY_SECONDS = 15
# The longest fault, the recovery, and the time to prepare both.
LOAD_SECONDS_MAX = 90


class System:
    """Two workers under a steady load."""

    def __init__(self, servers: BreakableServers, workers: list[StackProcess], answers: Answers) -> None:
        """Add the vouchers."""
        self.servers, self.workers, self.answers = servers, workers, answers
        self.broker = Broker(servers.environment)
        *self.vouchers, self.locked_voucher = rows.add_vouchers(VOUCHERS + 1)

    def undisturbed(self, workers: str) -> Undisturbed:
        """Measure the load by itself. `workers` says how many there are."""
        load = self._load()
        with load:
            time.sleep(WARM_UP_SECONDS + UNDISTURBED_SECONDS)
        load.wait_until_answered()
        sent = load.sent[WARM_UP_SECONDS * RATE :]
        latencies = [self.answers.arrived[each.id] - each.due for each in sent]
        return Undisturbed(workers=workers, latencies=latencies, load_average=load_average())

    def recovery(self, fault: Callable[["System", SteadyLoad], float]) -> Recovery:
        """Let a fault happen under the load, and measure from the instant that it returns."""
        load = self._load()
        with load:
            time.sleep(WARM_UP_SECONDS)
            since = fault(self, load)
            time.sleep(max(0.0, since + RECOVERY_SECONDS - time.monotonic()))
        unanswered = load.wait_until_answered()
        return recovery_of(
            load.sent, self.answers.arrived, since=since, unanswered=unanswered, load_average=load_average()
        )

    def backlog(self) -> list[Staged]:
        """Return messages that redeem the voucher which the faults lock."""
        return staged(self.broker, [self.locked_voucher], how_many=BACKLOG)

    def _load(self) -> SteadyLoad:
        messages = staged(self.broker, self.vouchers, how_many=RATE * LOAD_SECONDS_MAX)
        return SteadyLoad(self.broker, self.answers, messages, rate=RATE)


def load_average() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def cut_connections(system: System, load: SteadyLoad) -> float:
    """Cut all connections to Valkey while both workers hold messages for a locked voucher."""
    messages = system.backlog()
    with locked(system.locked_voucher):
        load.send_together(messages)
        wait_until_held(system.broker, BACKLOG)
        system.servers.cut_connections()
        return time.monotonic()


def restart_valkey(system: System, load: SteadyLoad) -> float:
    """Kill Valkey while both workers hold messages for a locked voucher, and start it again."""
    valkey, messages = system.servers.valkey, system.backlog()
    with locked(system.locked_voucher):
        load.send_together(messages)
        wait_until_held(system.broker, BACKLOG)
        valkey.kill()
    valkey.spawn()
    valkey.wait_ready(pause_briefly)
    return time.monotonic()


def stop_postgres(system: System, _load: SteadyLoad) -> float:
    """Stop Postgres, and start it again after 15 s."""
    postgres = system.servers.postgres_process
    ends = time.monotonic() + AWAY_SECONDS
    engine().dispose()
    postgres.stop()
    time.sleep(max(0.0, ends - time.monotonic()))
    postgres.spawn()
    postgres.wait_ready(pause_briefly)
    return time.monotonic()


def kill_worker(system: System, load: SteadyLoad) -> float:
    """Kill a worker that holds messages for a locked voucher. The other worker is stopped until it holds them."""
    killed, survivor = system.workers
    messages = system.backlog()
    with locked(system.locked_voucher):
        with suspended(survivor):
            load.send_together(messages)
            wait_until_held(system.broker, BACKLOG)
        since = time.monotonic()
        killed.kill()
        return since


RECOVERED_BY_LEASES: dict[str, Callable[[System, SteadyLoad], float]] = {
    "connections to Valkey cut": cut_connections,
    "Valkey back": restart_valkey,
}


def one_round(servers: BreakableServers) -> Iterator[TableLine]:
    """Measure the load undisturbed and each fault once."""
    with (
        servers.database(),
        servers.two_workers(QUEUE) as workers,
        Answers(servers.environment["REDIS_URL"]) as answers,
    ):
        system = System(servers, workers, answers)
        two = system.undisturbed("two workers")
        yield two.line()
        for fault, happen in RECOVERED_BY_LEASES.items():
            found = system.recovery(happen)
            yield from found.lines(fault)
            yield found.line_of_new(fault, two)
        fault, found = "Postgres back", system.recovery(stop_postgres)
        yield found.line_of_outage(fault, away_seconds=AWAY_SECONDS)
        yield found.line_of_new(fault, two)
        fault, found = "a worker killed", system.recovery(kill_worker)
        yield from found.lines(fault)
        yield found.line_of_new(fault, two, goal=at_most(TIMES_MAX))
        one = system.undisturbed("one worker")
        yield one.line()
        yield found.line_of_new(fault, one)


def run(
    rounds: Annotated[int, typer.Option(min=1, help="How often each fault is measured.")] = 3,
    into: Annotated[Path, typer.Option(help="The folder for recovery.json.")] = CHECKOUT / "docs",
) -> None:
    """Measure, print the table, and write recovery.json."""
    console = Console(width=WIDTH)
    with breakable_servers() as servers:
        durability = servers.durability()
        measure = partial(all_rounds, servers, rounds)
        result = take_measure("recovery", measure, servers, console=console)
    write([result], path=into / "recovery.json", size=Size.FULL, durability=durability)
    console.print(table_of([result], title=f"{RATE} single redemptions a second, {machine()}"))
    raise typer.Exit(1 if result.violations or result.failure else 0)


def all_rounds(servers: BreakableServers, rounds: int) -> list[TableLine]:
    """Return the lines with the samples of all rounds."""
    return merged([list(one_round(servers)) for _ in range(rounds)])


if __name__ == "__main__":
    typer.run(run)
