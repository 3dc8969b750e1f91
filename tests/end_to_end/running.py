"""A real worker in processes of its own, an ordinary client of it, and connections that get in its way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, Self, TypeVar, cast

import psutil
import psycopg
from celery import Celery
from psycopg import sql
from redis import Redis

from scrip.stack.process_tree import end_session

CHECKOUT = Path(__file__).parent.parent.parent
CELERY = Path(sys.executable).with_name("celery")
LEASH = CHECKOUT / "scrip" / "stack" / "die_with_parent.py"
QUEUES = ("redemptions", "billing", "admin", "sweeps")
COUNT: dict[str, LiteralString] = {
    "vouchers": "SELECT count(*) FROM vouchers",
    "redemptions": "SELECT count(*) FROM redemptions",
    "discounts": "SELECT count(*) FROM discounts",
    "subscriptions": "SELECT count(*) FROM subscriptions",
    "invoice_discounts": "SELECT count(*) FROM invoice_discounts",
    "usage_entries": "SELECT count(*) FROM usage_entries",
}
# Where kombu notes the messages that were delivered and not acknowledged yet.
UNACKNOWLEDGED = "unacked"
# What a client has to know of the contract.
ROUTES = {
    "redemptions.*": {"queue": "redemptions"},
    "billing.*": {"queue": "billing"},
    "expiry.*": {"queue": "sweeps"},
    "*": {"queue": "admin"},
}
# So long only a broken program takes, on whatever machine.
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.01

Json = dict[str, Any]
_connections: list[psycopg.Connection] = []
Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None]) -> Found:
    """This function will look until it sees something and return that, or fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(POLL_SECONDS)
    return found


# What a worker has not acknowledged for so long is delivered again.
SOON_AGAIN = {"SCRIP_VISIBILITY_TIMEOUT_SECONDS": "7", "SCRIP_LOCK_TIMEOUT_SECONDS": "6"}


def with_redis(environment: Mapping[str, str], *, number: int) -> dict[str, str]:
    """This function will return the variables with that one of Valkey's databases, where no other worker reads."""
    return {**environment, "REDIS_URL": re.sub(r"/0$", f"/{number}", environment["REDIS_URL"])}


class Program:
    """`celery -A tasks …` in a process group of its own. Leaving the context ends all of it."""

    def __init__(self, *words: str, folder: Path, environment: Mapping[str, str]) -> None:
        """This method will describe the program; what it prints goes to a log in `folder`."""
        self.words = words
        self.log_file = folder / "log"
        self.environment = environment

    def __enter__(self) -> Self:
        """This method will start it, on a leash: it ends with this process, however that ends."""
        self.log_file.parent.mkdir(exist_ok=True)
        leash = (sys.executable, "-IS", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)))
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*leash, str(CELERY), "-A", "tasks", *self.words],
                cwd=CHECKOUT,
                # What it leaves when it is killed goes with the folder.
                env={**os.environ, "TMPDIR": str(self.log_file.parent), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """This method will end it, whatever it does."""
        self.kill()

    def kill(self) -> None:
        """This method will kill all of it at once, as a machine that loses its power does."""
        if self.lives():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(DEADLINE_SECONDS)
        end_session(self.process)

    def stop(self) -> int:
        """This method will ask it to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    @property
    def log(self) -> str:
        """This property will be all that it has printed."""
        return self.log_file.read_text()

    def lives(self) -> bool:
        """This method will tell whether it has not ended."""
        return self.process.poll() is None


class Worker(Program):
    """A worker for all four queues that says everything it can in its log."""

    def __init__(
        self,
        *,
        folder: Path,
        environment: Mapping[str, str],
        children: int = 2,
        credit: int | None = None,
        pool: str = "prefork",
    ) -> None:
        """This method will describe the worker; `credit` is how many messages it may have for each child."""
        self.broker = Broker(environment)
        options = ("--queues", ",".join(QUEUES), "--hostname", f"{folder.name}@%h", "--concurrency", str(children))
        # Asking for neighbours takes a second of every start.
        quick = ("--without-mingle", "--loglevel", "INFO")
        prefetch = ("--pool", pool, *(("--prefetch-multiplier", str(credit)) if credit else ()))
        super().__init__("worker", *options, *quick, *prefetch, folder=folder, environment=environment)

    def wait_ready(self) -> Self:
        """This method will wait until it has said that it is ready."""
        self.while_it_lives(lambda: " ready." in self.log)
        return self

    def children(self) -> list[psutil.Process]:
        """This method will list the child processes, in which the tasks run."""
        return psutil.Process(self.process.pid).children()

    def settle(self) -> None:
        """This method will wait until every message is acknowledged, or fail; the worker must live.

        Call it when the last message is answered: one that is on its way from a queue to a worker is in neither.
        """
        self.while_it_lives(lambda: not self.broker.messages())

    def while_it_lives(self, look: Callable[[], Found | None]) -> Found:
        """This method will look until it sees something and return that, or fail when the worker ends."""

        def look_at_both() -> Found | None:
            assert self.lives(), self.log
            return look()

        return eventually(look_at_both)

    def revive(self) -> None:
        """This method will start it again without its messages, where a test has ended or stopped it up."""
        if not self.lives() or self.broker.messages():
            self.kill()
            self.broker.redis.flushdb()
            self.log_file.unlink()
            self.__enter__()
            self.wait_ready()


class Broker:
    """The broker's server, which keeps the results too, looked at from outside."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """This method will describe the connection, which is made at its first use."""
        self.redis = Redis.from_url(environment["REDIS_URL"], decode_responses=True)

    def messages(self) -> int:
        """This method will count the messages that wait, and those that were delivered and not acknowledged."""
        with self.redis.pipeline() as at_once:
            for queue in QUEUES:
                at_once.llen(queue)
            at_once.hlen(UNACKNOWLEDGED)
            return sum(at_once.execute())

    def waiting(self, queue: str) -> int:
        """This method will count the messages that nobody has taken from the queue."""
        count: int = self.redis.llen(queue)
        return count

    def state(self, task_id: str) -> Json:
        """This method will return what is stored of a task: its status, and its answer or its error."""
        stored = self.redis.get(f"celery-task-meta-{task_id}")
        return {"status": "PENDING"} if stored is None else cast("Json", json.loads(str(stored)))

    def outcome(self, task_id: str) -> Json | None:
        """This method will return what is stored of a task that has ended."""
        state = self.state(task_id)
        return state if state["status"] in {"SUCCESS", "FAILURE"} else None


class Client:
    """A client in this process, which knows the names of tasks and queues and reads the results where they are stored.

    One that waits with Celery's own means is in billing_system.py.
    """

    def __init__(self, environment: Mapping[str, str], *, routes: Mapping[str, Json] | None = ROUTES) -> None:
        """This method will describe the client; it connects at its first use."""
        self.broker = Broker(environment)
        self.app = Celery("billing-system", broker=environment["REDIS_URL"], set_as_current=False)
        self.app.conf.task_routes = routes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """This method will close its connections."""
        self.app.close()
        self.broker.redis.close()

    def send(self, task: str, request: object, **options: Any) -> str:
        """This method will send one request and return the task's id."""
        return self.send_arguments(task, kwargs={"request": request}, **options)

    def send_arguments(self, task: str, **options: Any) -> str:
        """This method will send a task with whatever arguments and return its id."""
        task_id: str = self.app.send_task(task, **options).id
        return task_id

    def outcome(self, task_id: str) -> Json:
        """This method will wait until the task has ended, and return what is stored of it, as JSON says it."""
        return eventually(lambda: self.broker.outcome(task_id))

    def answer(self, task_id: str) -> Any:
        """This method will wait for the task's answer and return it."""
        outcome = self.outcome(task_id)
        assert outcome["status"] == "SUCCESS", outcome
        return outcome["result"]

    def ask(self, task: str, request: object, **options: Any) -> Any:
        """This method will send one request and return its answer."""
        return self.answer(self.send(task, request, **options))


@contextmanager
def holding(url: str, statement: LiteralString, *values: object) -> Iterator[psycopg.Connection]:
    """This context will run the statement in a transaction that stays open; leaving it rolls that back."""
    with psycopg.connect(url) as connection:
        connection.execute(statement, values)
        yield connection
        connection.rollback()


def rows(url: str, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """This function will look into the database, in a transaction of its own."""
    try:
        return _connection(url).execute(query, values).fetchall()
    except psycopg.OperationalError:
        # The server was restarted since.
        close_connections()
        return _connection(url).execute(query, values).fetchall()


@cache
def _connection(url: str) -> psycopg.Connection:
    # Logging in is dear; some look a hundred times a second.
    _connections.append(psycopg.connect(url, autocommit=True))
    return _connections[-1]


def close_connections() -> None:
    """This function will close the connections through which tests have looked into databases."""
    while _connections:
        _connections.pop().close()
    _connection.cache_clear()


def row_counts(url: str) -> dict[str, int]:
    """This function will count the rows of every table that has any."""
    counts = {table: rows(url, COUNT[table])[0][0] for table in COUNT}
    return {table: count for table, count in counts.items() if count}


def scrip(worker: Worker, *words: str) -> subprocess.CompletedProcess[str]:
    """This function will run `scrip` against the worker's servers."""
    program = Path(sys.executable).with_name("scrip")
    environment = {**os.environ, **worker.environment}
    return subprocess.run([program, *words], env=environment, check=True, capture_output=True, text=True)


@contextmanager
def poisoned(url: str, *, customer: str, error: str = "check_violation") -> Iterator[None]:
    """This context will make a customer whose redemptions the database refuses, as it would refuse a defect of ours.

    `error` is Postgres's name for why.
    """
    condition = sql.SQL(
        "CREATE TRIGGER poison BEFORE INSERT ON redemptions FOR EACH ROW WHEN (NEW.customer = {})"
        " EXECUTE FUNCTION refuse_poison()"
    ).format(customer)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'poison of %', NEW.customer USING ERRCODE = {}; END $$"
            ).format(error)
        )
        connection.execute(condition)
        try:
            yield
        finally:
            connection.execute("DROP TRIGGER poison ON redemptions")
            connection.execute("DROP FUNCTION refuse_poison")


def waiting_for_locks(url: str) -> list[int]:
    """This function will return the ports from which Scrip's connections came that wait for a lock, longest first."""
    found = rows(
        url,
        "SELECT client_port FROM pg_stat_activity WHERE application_name = 'scrip' AND wait_event_type = 'Lock'"
        " ORDER BY query_start",
    )
    return [port for (port,) in found]


def wait_for_locks(url: str, *, count: int) -> None:
    """This function will wait until so many of Scrip's connections wait for a lock."""
    eventually(lambda: len(waiting_for_locks(url)) == count)
