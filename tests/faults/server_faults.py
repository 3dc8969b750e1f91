"""Faults of the servers and of the network: away, silent, full, flushed, cut at COMMIT."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tests.end_to_end.database import poisoned
from tests.faults.finding import Finding
from tests.faults.requests_by_seed import POISON
from tests.faults.servers import Server
from tests.faults.system import FaultUnavailableError, System
from tests.support.proxy import Cut, Proxy

DOWN_SECONDS = (0.5, 5)
BOTH_DOWN_SECONDS = 15
LONG_DOWN_SECONDS = 120
FROZEN_SECONDS = (2, 12)
READ_ONLY_SECONDS = 5
BLINKS, BLINK_SECONDS = 5, 3
CUTS = 6
CUTS_SECONDS = 5
FULL_SECONDS = 5
ODD_MESSAGES_SECONDS = 5
POISON_SECONDS_MAX = 60


@contextmanager
def _down(server: Server) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def _frozen(server: Server) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def crash_postgres(system: System) -> None:
    """Stop Postgres `immediate`, and start it again after a while."""
    with _down(system.servers.postgres):
        system.let_pass(system.random.uniform(*DOWN_SECONDS))


def lose_postgres_for_minutes(system: System) -> None:
    """Stop Postgres `immediate`, and start it again after two minutes."""
    with _down(system.servers.postgres):
        system.let_pass(LONG_DOWN_SECONDS)


def restart_postgres(system: System) -> None:
    """Stop Postgres fast, and start it again."""
    system.servers.postgres.stop()
    system.servers.postgres.start()


def freeze_postgres(system: System) -> None:
    """Stop the processes of Postgres with SIGSTOP, and let them go on."""
    with _frozen(system.servers.postgres):
        system.let_pass(system.random.uniform(*FROZEN_SECONDS))


def demote_postgres(system: System) -> None:
    """Make Postgres refuse writes, as a server does that became a standby."""
    with psycopg.connect(system.servers.postgres.direct_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            system.let_pass(READ_ONLY_SECONDS)
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def crash_broker(system: System) -> None:
    """Kill the broker, and start it again on what it has stored."""
    with _down(system.servers.broker):
        system.let_pass(system.random.uniform(*DOWN_SECONDS))
    if system.servers.broker.may_lose:
        system.load.send_all_again()


def lose_broker_for_minutes(system: System) -> None:
    """Kill the broker, and start it again after two minutes. No worker may end meanwhile."""
    before = system.ended_workers
    with _down(system.servers.broker):
        system.let_pass(LONG_DOWN_SECONDS)
    if system.ended_workers > before:
        ended = system.ended_workers - before
        system.findings.append(Finding("a worker ended", "the broker was away", f"{ended} workers"))
    if system.servers.broker.may_lose:
        system.load.send_all_again()


def restart_broker(system: System) -> None:
    """Stop the broker as an operator does, and start it again."""
    system.servers.broker.stop()
    system.servers.broker.start()


def freeze_broker(system: System) -> None:
    """Stop the broker with SIGSTOP, and let it go on."""
    with _frozen(system.servers.broker):
        system.let_pass(system.random.uniform(*FROZEN_SECONDS))


def crash_both(system: System) -> None:
    """Kill both servers, and start them again after 15 s."""
    with _down(system.servers.postgres), _down(system.servers.broker):
        system.let_pass(BOTH_DOWN_SECONDS)


def kill_connections(system: System) -> None:
    """End all connections to Valkey at once."""
    for kind in ("normal", "pubsub"):
        system.servers.valkey.client.client_kill_filter(_type=kind, skipme=True)


def blink(system: System) -> None:
    """Hold back everything between the workers and all servers five times, for 3 s each."""
    proxies = system.servers.proxies
    for _ in range(BLINKS):
        for each in proxies:
            each.hold_back()
        system.let_pass(BLINK_SECONDS)
        for each in proxies:
            each.let_through()
        system.let_pass(1)


def reset_network(system: System) -> None:
    """Reset all connections of the workers to all servers, five times."""
    for _ in range(BLINKS):
        for each in system.servers.proxies:
            each.reset()
        system.let_pass(1)


def lose_connections(system: System, *, server: str, lose: Callable[[Proxy], None]) -> None:
    """Lose all connections to the server of that name, `postgres` or `broker`, as the method of a proxy does it."""
    for each in getattr(system.servers, server).proxies:
        lose(each)


def cut_at_commit(system: System, cut: Cut) -> None:
    """Cut the connections that send the next COMMITs."""
    proxy = system.servers.postgres.proxy
    before = proxy.cuts_made
    proxy.cut_at(b"COMMIT", *[cut] * CUTS)
    # On silent connections no COMMIT may follow.
    system.let_pass(CUTS_SECONDS, until=lambda: not proxy.cuts)
    proxy.cuts.clear()
    if proxy.cuts_made == before:
        raise FaultUnavailableError("no COMMIT came by")


def flush_scripts(system: System) -> None:
    """Make Valkey forget all scripts."""
    system.servers.valkey.client.script_flush()


def flush_valkey(system: System) -> None:
    """Make Valkey lose all data. Callers send again what they have no answer to."""
    system.load.send_all_again_after(system.servers.valkey.client.flushall)


def fill_valkey(system: System) -> None:
    """Let Valkey refuse writes for lack of memory."""
    client = system.servers.valkey.client
    client.config_set("maxmemory", "1")
    try:
        system.let_pass(FULL_SECONDS)
    finally:
        client.config_set("maxmemory", "0")


def fill_valkeys_disk(system: System) -> None:
    """Let Valkey refuse writes because it cannot save a snapshot."""
    with system.servers.valkey.without_space() as is_full:
        system.let_pass(FULL_SECONDS, until=is_full)
        if not is_full():
            raise FaultUnavailableError("no snapshot has failed")
        system.let_pass(FULL_SECONDS)


def duplicate_messages(system: System) -> None:
    """Send up to five copies of each message, at either end of the queues."""
    system.load.sender.is_duplicating = True
    system.let_pass(ODD_MESSAGES_SECONDS)
    system.load.sender.is_duplicating = False


def poison_messages(system: System) -> None:
    """Let the database refuse one request in a hundred, as if Scrip had a bug. It becomes a dead letter."""
    with poisoned(system.servers.postgres.direct_url, customer=POISON):
        system.load.requests.is_poisoning = True
        system.let_pass(ODD_MESSAGES_SECONDS)
        system.load.requests.is_poisoning = False
        # The database must refuse the requests until they have become dead letters.
        system.wait_until_answered(since=time.monotonic(), seconds_max=POISON_SECONDS_MAX)
