"""Workers under full load that are struck at random moments, and what is left of the messages afterwards."""

import random
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

import psutil
from redis import Redis

from scrip.stack.data_folder import locked
from scrip.stack.valkey_server import Valkey
from tests.end_to_end.requests import voucher
from tests.end_to_end.running import POLL_SECONDS, Client, Program, eventually, rows
from tests.support.requests import create_voucher, redemption

QUEUE = "redemptions"
# Enough of them that the children seldom wait for one another.
VOUCHERS = 8
# A strike falls within this time after the workers are seen to work.
STRIKE_SECONDS_MAX = 0.4
# Messages that a worker holds for each child, and after how long what a dead one held is delivered again.
FEW, MANY = 10, 250
VISIBILITY_TIMEOUT_SECONDS = {FEW: 2, MANY: 6}
LOCK_TIMEOUT_SECONDS = 1


class Blow(StrEnum):
    """What can hit a worker."""

    # As a machine that loses its power: the worker and its children at once.
    WORKER = "worker"
    CHILD = "child"
    CONNECTIONS = "connections"
    BROKER = "broker"


def pause() -> None:
    """This function will wait a moment for a server."""
    time.sleep(POLL_SECONDS)


class Server:
    """A Valkey of the siege's own, which has written to its file whatever it has said yes to."""

    def __init__(self, home: Path) -> None:
        """This method will describe the server."""
        self.part = Valkey(home=home, environment={})

    def start(self) -> None:
        """This method will start it on what its file says."""
        self.part.spawn()
        self.part.wait_ready(pause)
        with Redis.from_url(self.part.url) as client:
            client.config_set("appendfsync", "always")

    def crash(self) -> None:
        """This method will kill it without a word, and start it again."""
        self.part.clear()
        self.start()


class Worker(Program):
    """A worker of the one queue."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str], credit: int) -> None:
        """This method will describe the worker.

        It holds so many messages for each child, and on no machine for as long as the visibility timeout: they would be
        delivered again while they wait, and again.
        """
        options = ("--queues", QUEUE, "--hostname", f"{folder.name}@%h", "--prefetch-multiplier", str(credit))
        # Asking for neighbours takes a second of every start.
        quick = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")
        super().__init__("worker", *options, *quick, folder=folder, environment=environment)

    def start(self) -> None:
        """This method will start it, and wait until it has said that it is ready."""
        self.log_file.unlink(missing_ok=True)
        self.__enter__()
        eventually(lambda: " ready." in self.log or not self.lives())
        assert self.lives(), self.log

    def children(self) -> list[psutil.Process]:
        """This method will list the child processes, in which the tasks run."""
        return psutil.Process(self.process.pid).children()

    def end(self) -> None:
        """This method will end what runs of it."""
        if hasattr(self, "process"):
            self.kill()


class Siege:
    """Workers, their broker and their load. Everything that happens follows from the seed, but for the timing."""

    def __init__(self, *, server: Server, workers: Sequence[Worker], client: Client, seed: int, url: str) -> None:
        """This method will begin with vouchers that never run out, and nothing sent."""
        self.server, self.workers, self.client, self.url = server, workers, client, url
        self.chance = random.Random(seed)  # noqa: S311 - what has to be repeatable is no secret
        self.vouchers = [create_voucher(**voucher())["id"] for _ in range(VOUCHERS)]
        self.sent: list[str] = []

    def load(self, *, backlog: int) -> None:
        """This method will send requests until so many wait."""
        missing = backlog - self.client.broker.waiting(QUEUE)
        with self.client.app.producer_pool.acquire(block=True) as producer:
            for _ in range(missing):
                request = redemption(voucher=self.chance.choice(self.vouchers))
                self.client.send("redemptions.redeem", request, producer=producer, ignore_result=True)
                self.sent.append(request["requestId"])

    def redeemed(self) -> int:
        """This method will count what has been committed."""
        count: int = rows(self.url, "SELECT sum(redemptions)::integer FROM vouchers")[0][0]
        return count

    def endure(self, blows: Sequence[Blow], *, backlog: int) -> None:
        """This method will strike while the workers are busy, again and again, and then let them finish."""
        for worker in self.workers:
            worker.start()
        for blow in blows:
            self.load(backlog=backlog)
            self.see_work()
            # This is the moment, not a wait for something.
            time.sleep(self.chance.uniform(0, STRIKE_SECONDS_MAX))
            self.strike(blow)
        eventually(self.has_nothing_left)
        for worker in self.workers:
            assert worker.stop() == 0, worker.log

    def see_work(self) -> None:
        """This method will wait until something is redeemed."""
        before = self.redeemed()
        eventually(lambda: self.redeemed() > before)

    def strike(self, blow: Blow) -> None:
        """This method will hit one of the workers, or their broker."""
        worker = self.chance.choice(self.workers)
        # What hits nobody proves nothing.
        assert worker.lives(), worker.log
        match blow:
            case Blow.WORKER:
                worker.kill()
                worker.start()
            case Blow.CHILD:
                self.chance.choice(worker.children()).send_signal(signal.SIGKILL)
            case Blow.CONNECTIONS:
                for kind in ("normal", "pubsub"):
                    self.client.broker.redis.client_kill_filter(_type=kind, skipme=True)
            case Blow.BROKER:
                self.server.crash()

    def has_nothing_left(self) -> bool:
        """This method will tell whether no message waits and none is unacknowledged; every worker must live."""
        for worker in self.workers:
            assert worker.lives(), worker.log
        return not self.client.broker.messages()

    def lost(self) -> list[str]:
        """This method will return the requests that nobody has answered."""
        return sorted(set(self.sent) - set(self.answered()))

    def answered(self) -> list[str]:
        """This method will return the id of the request of each answer."""
        return [request for (request,) in rows(self.url, "SELECT request_id FROM redemptions")]


@contextmanager
def siege(
    environment: Mapping[str, str],
    folder: Path,
    *,
    seed: int,
    workers: int = 1,
    transport: str = "scrip",
    credit: int = FEW,
) -> Iterator[Siege]:
    """This context will begin a siege on a database that is there, and a broker of its own."""
    home = folder / "home"
    with locked(home), ExitStack() as opened:
        server = Server(home)
        opened.callback(server.part.stop)
        server.start()
        variables = {
            **environment,
            "REDIS_URL": server.part.url,
            "SCRIP_BROKER_TRANSPORT": transport,
            "SCRIP_VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_TIMEOUT_SECONDS[credit]),
            "SCRIP_LOCK_TIMEOUT_SECONDS": str(LOCK_TIMEOUT_SECONDS),
        }
        client = opened.enter_context(Client(variables))
        started = [
            Worker(folder=folder / f"worker-{number}", environment=variables, credit=credit)
            for number in range(workers)
        ]
        for worker in started:
            opened.callback(worker.end)
        yield Siege(server=server, workers=started, client=client, seed=seed, url=environment["DATABASE_URL"])
