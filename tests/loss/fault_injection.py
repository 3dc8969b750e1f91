"""Workers under full load, and faults that are injected into them or their broker at random moments."""

import random
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

import psutil

from scrip.stack.data_folder import locked_data_folder
from tests.broker.durable_valkey import DurableValkey
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Program
from tests.support.requests import create_voucher, redemption
from tests.support.waiting import eventually

QUEUE = "redemptions"
# With this many vouchers, the children seldom wait for the same row.
VOUCHERS = 8
# A fault is injected within this time after the workers have made progress.
FAULT_SECONDS_MAX = 0.4
# Two prefetch multipliers, and the visibility timeout for each.
FEW, MANY = 10, 250
VISIBILITY_TIMEOUT_SECONDS = {FEW: 2, MANY: 6}
LOCK_TIMEOUT_SECONDS = 1


class Fault(StrEnum):
    """A fault that can be injected."""

    # The worker and its children are killed at once, as in a power failure.
    WORKER = "worker"
    CHILD = "child"
    CONNECTIONS = "connections"
    BROKER = "broker"


class RedemptionWorker(Program):
    """A worker of the queue of redemptions."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str], prefetch_multiplier: int) -> None:
        """Describe the worker.

        The worker prefetches `prefetch_multiplier` messages for each child. Even a slow machine must process them in
        the visibility timeout, or they would be redelivered again and again.
        """
        options = ("--queues", QUEUE, "--hostname", f"{folder.name}@%h")
        prefetch = ("--prefetch-multiplier", str(prefetch_multiplier))
        # Looking for other workers would take a second of every start.
        quick = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")
        super().__init__("worker", *options, *prefetch, *quick, folder=folder, environment=environment)

    def start(self) -> None:
        """Start the worker, and wait until it is ready by its log."""
        self.log_file.unlink(missing_ok=True)
        self.__enter__()
        eventually(lambda: " ready." in self.log or not self.is_alive())
        assert self.is_alive(), self.log

    def children(self) -> list[psutil.Process]:
        """Return the child processes, in which the tasks run."""
        return psutil.Process(self.process.pid).children()

    def kill_if_started(self) -> None:
        """Kill the worker if it was started."""
        if hasattr(self, "process"):
            self.kill()


class FaultInjection:
    """Workers, their broker, their load and the injected faults. The seed decides everything but the timing."""

    def __init__(
        self, *, server: DurableValkey, workers: Sequence[RedemptionWorker], client: Client, seed: int, url: str
    ) -> None:
        """Create vouchers without a limit, and send nothing yet."""
        self.server, self.workers, self.client, self.url = server, workers, client, url
        self.random = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
        self.vouchers = [create_voucher()["id"] for _ in range(VOUCHERS)]
        self.sent: list[str] = []

    def inject_all(self, faults: Sequence[Fault], *, backlog: int) -> None:
        """Inject the faults one after the other while the workers are busy, and then wait until all work is done.

        Before each fault, requests are sent until `backlog` of them wait.
        """
        for worker in self.workers:
            worker.start()
        for fault in faults:
            before = self.redeemed()
            self.send_requests(backlog=backlog)
            self.wait_for_progress(since=before)
            # This sleep chooses the moment of the fault, and does not wait for a condition.
            time.sleep(self.random.uniform(0, FAULT_SECONDS_MAX))
            self.inject(fault)
        eventually(self.is_done)
        for worker in self.workers:
            assert worker.stop() == 0, worker.log

    def send_requests(self, *, backlog: int) -> None:
        """Send requests until `backlog` of them wait in the queue."""
        missing = backlog - self.client.broker.waiting(QUEUE)
        with self.client.app.producer_pool.acquire(block=True) as producer:
            for _ in range(missing):
                request = redemption(voucher=self.random.choice(self.vouchers))
                self.client.send("redemptions.redeem", request, producer=producer, ignore_result=True)
                self.sent.append(request["requestId"])

    def wait_for_progress(self, *, since: int) -> None:
        """Wait until more than `since` requests are redeemed."""
        eventually(lambda: self.redeemed() > since)

    def inject(self, fault: Fault) -> None:
        """Inject a fault into a random worker, or into the broker."""
        worker = self.random.choice(self.workers)
        # A fault of a dead worker would prove nothing.
        assert worker.is_alive(), worker.log
        match fault:
            case Fault.WORKER:
                worker.kill()
                worker.start()
            case Fault.CHILD:
                self.random.choice(worker.children()).send_signal(signal.SIGKILL)
            case Fault.CONNECTIONS:
                for kind in ("normal", "pubsub"):
                    self.client.broker.redis.client_kill_filter(_type=kind, skipme=True)
            case Fault.BROKER:
                self.server.kill()
                self.server.start()

    def is_done(self) -> bool:
        """Return whether no message waits or is unacknowledged. Fails if a worker has died."""
        for worker in self.workers:
            assert worker.is_alive(), worker.log
        return not self.client.broker.messages()

    def redeemed(self) -> int:
        """Return the number of committed redemptions, as the vouchers count them."""
        count: int = rows(self.url, "SELECT sum(redemptions)::integer FROM vouchers")[0][0]
        return count

    def answered(self) -> list[str]:
        """Return the request id of each stored answer."""
        return [request for (request,) in rows(self.url, "SELECT request_id FROM redemptions")]

    def lost(self) -> list[str]:
        """Return the ids of the requests without an answer."""
        return sorted(set(self.sent) - set(self.answered()))


@contextmanager
def workers_under_load(
    environment: Mapping[str, str],
    folder: Path,
    *,
    seed: int,
    workers: int = 1,
    transport: str = "scrip",
    prefetch_multiplier: int = FEW,
) -> Iterator[FaultInjection]:
    """Yield workers on the database of the environment and on a broker of their own, for faults to be injected."""
    data_folder = folder / "home"
    with locked_data_folder(data_folder), ExitStack() as cleanup:
        server = DurableValkey(data_folder)
        cleanup.callback(server.stop)
        server.start()
        variables = {
            **environment,
            "REDIS_URL": server.url,
            "SCRIP_BROKER_TRANSPORT": transport,
            "SCRIP_VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_TIMEOUT_SECONDS[prefetch_multiplier]),
            "SCRIP_LOCK_TIMEOUT_SECONDS": str(LOCK_TIMEOUT_SECONDS),
        }
        client = cleanup.enter_context(Client(variables))
        described = [
            RedemptionWorker(
                folder=folder / f"worker-{number}", environment=variables, prefetch_multiplier=prefetch_multiplier
            )
            for number in range(workers)
        ]
        for worker in described:
            cleanup.callback(worker.kill_if_started)
        yield FaultInjection(
            server=server, workers=described, client=client, seed=seed, url=environment["DATABASE_URL"]
        )
