"""A run under faults: a load, one fault after the other, every request again, the history checker and the audit."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tasks.audit.audit import CHECKS, run_check
from tests.end_to_end.database import close_connections
from tests.faults.checker import find_broken_promises
from tests.faults.counted import counts_of
from tests.faults.history import DECIDES, ITEMS, Asking, History
from tests.faults.kinds import FAULTS
from tests.faults.request import Request
from tests.faults.sending import AWAY
from tests.faults.servers import OpenServers, running_servers
from tests.faults.stored_rows import read_stored_rows
from tests.faults.system import FaultUnavailableError, System, running_system

# What failed is back within half a minute.
RECOVERY_SECONDS_MAX = 30
# After this time, what is not answered counts as lost.
LOST_SECONDS = 90
BULK_MAX = 200
# Between two faults, the load goes on for a moment that the seed decides.
PAUSE_SECONDS = (0.2, 1.5)
AGAIN = {single: (bulk, field) for bulk, (single, field) in ITEMS.items()}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A fault, and the seconds from its end to the last answer of what was in flight. None: not answered at all."""

    fault: str
    seconds: float | None

    @property
    def is_late(self) -> bool:
        """Whether something took more than half a minute, or was not answered at all."""
        return self.seconds is None or self.seconds > RECOVERY_SECONDS_MAX


@dataclass(kw_only=True)
class Report:
    """The outcome of a run."""

    seed: int
    recoveries: list[Recovery] = field(default_factory=list)
    messages: int = 0
    requests: int = 0
    ended_workers: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    findings: list[object] = field(default_factory=list)
    violations: list[object] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the report for a person."""
        yield f"seed {self.seed}: {len(self.recoveries)} faults, {self.messages} messages, {self.requests} requests"
        yield ", ".join(f"{kind} {count}" for kind, count in sorted(self.counts.items()))
        yield f"recovery: {self.recovery}; workers that ended: {self.ended_workers}"
        yield f"findings: {len(self.findings)}, audit: {len(self.violations)}"
        yield from self.first_problems()

    @property
    def recovery(self) -> str:
        """The middle and the late recoveries, for a person."""
        seconds = sorted(each.seconds for each in self.recoveries if each.seconds is not None)
        if not seconds:
            return "none"
        middle, late = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        return f"p50 {middle:.1f} s, p99 {late:.1f} s"

    def first_problems(self) -> Iterator[str]:
        """Yield the first findings and violations for a person."""
        yield from (f"  {each}" for each in [*self.findings[:20], *self.violations[:20]])


def run_faults(
    folder: Path,
    *,
    seed: int,
    faults: Iterable[str],
    settings: Mapping[str, str] | None = None,
    open_servers: OpenServers = running_servers,
    say: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Inject the faults one after the other, and return the report."""
    report = Report(seed=seed)
    with running_system(folder, seed=seed, settings=settings or {}, open_servers=open_servers) as system:
        for name in faults:
            system.let_pass(system.random.uniform(*PAUSE_SECONDS))
            recovery = recovery_from(system, name, say=say)
            if recovery is not None:
                report.recoveries.append(recovery)
            if recovery is not None and recovery.seconds is None:
                break
        finish(system, report)
    return report


def recovery_from(system: System, name: str, *, say: Callable[[str], None]) -> Recovery | None:
    """Inject a fault, and wait until everything that was in flight at its end is answered."""
    started = time.monotonic()
    try:
        FAULTS[name](system)
    except FaultUnavailableError as unavailable:
        say(f"{name}: skipped, {unavailable}")
        return None
    ended = time.monotonic()
    seconds = system.wait_until_answered(since=ended, seconds_max=LOST_SECONDS)
    back = "never came back" if seconds is None else f"back after {seconds:.1f} s"
    say(f"{name}: {ended - started:.1f} s, {back}")
    return Recovery(fault=name, seconds=seconds)


def finish(system: System, report: Report) -> None:
    """Ask every request again, stop the system, and check the history and the database."""
    system.load.is_paused = True
    if all(each.seconds is not None for each in report.recoveries):
        ask_again(system)
    system.stop()
    url = system.servers.postgres.direct_url
    history = History(
        [*system.load.askings, *system.load.waiting_since(time.monotonic())], is_clock_trusted=system.is_clock_trusted
    )
    report.messages, report.requests = system.load.messages, len(history.by_key)
    report.counts = counts_of(history)
    report.ended_workers = system.ended_workers
    report.findings += system.findings
    report.findings += find_broken_promises(history, read_stored_rows(url))
    report.findings += [each for each in report.recoveries if each.is_late]
    report.violations += violations(url)
    close_connections()


def ask_again(system: System) -> None:
    """Ask every request again, after the last answer to those in flight."""
    system.wait_until_answered(since=time.monotonic(), seconds_max=LOST_SECONDS)
    for request in requests_again(system.load.askings):
        with suppress(*AWAY):
            system.load.ask(request)
    # A long run has many requests. As long as answers come, none is lost.
    left = -1
    while left != (left := len(system.load.waiting_since(time.monotonic()))) and left:
        system.wait_until_answered(since=time.monotonic(), seconds_max=LOST_SECONDS)


def requests_again(askings: Sequence[Asking]) -> Iterator[Request]:
    """Yield each request once more, many in a message if the task has a bulk task."""
    singles: dict[str, dict[object, Request]] = {}
    for each in History(askings).askings:
        if each.task in DECIDES:
            singles.setdefault(each.task, {})[each.key] = Request(each.task, each.request)
    for task, requests in singles.items():
        if task not in AGAIN:
            yield from requests.values()
            continue
        bulk, items = AGAIN[task]
        bodies = [each.body for each in requests.values()]
        for start in range(0, len(bodies), BULK_MAX):
            yield Request(bulk, {items: bodies[start : start + BULK_MAX]})


def violations(url: str) -> list[object]:
    """Return every violation that the audit finds in the database."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session:
        found: list[object] = [each for check in CHECKS for each in run_check(session, check=check)]
    engine.dispose()
    return found
