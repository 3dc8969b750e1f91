"""The configurations of `make faults-brokers`: which servers run, and which packages of Debian have their programs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scrip.stack.listener import LOOPBACK
from tests.faults.servers import (
    BrokerServer,
    OpenServers,
    PostgresServer,
    Servers,
    running_postgres,
    running_valkey,
)
from tests.other_servers.certificates import certificate
from tests.other_servers.faulty_brokers import RabbitMqBroker, RedisBroker, SentinelBroker
from tests.other_servers.faulty_databases import POSTGRES_15, PooledPostgres, Postgres15
from tests.other_servers.rabbitmq_server import RabbitMq
from tests.other_servers.redis_servers import RedisServer, TlsRedis, redis_program

FAULTS_OF_DATABASE = ("postgres-crashed", "postgres-restarted")
FAULTS_OF_BROKER = ("broker-crashed", "broker-restarted")
OTHER_FAULTS = ("child-killed", "worker-killed", "network-reset", "network-blinking")
# A user of Redis may call only these commands beside the harmless ones.
ACL = "user default off\nuser scrip on >word ~* &* +@all -@admin -@dangerous +info\n"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A configuration: the faults of its own come first.

    The programs are mapped to their packages. Without an optional one, only a fault is left out.
    """

    open_servers: OpenServers
    programs: Mapping[str, str]
    optional_programs: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[str] = FAULTS_OF_BROKER


@contextmanager
def _rabbitmq(folder: Path) -> Iterator[BrokerServer]:
    with (
        RabbitMq(folder / "rabbitmq") as rabbit,
        RedisServer(folder / "results", program=redis_program()) as results,
    ):
        yield RabbitMqBroker(rabbit, results)


@contextmanager
def _redis(folder: Path) -> Iterator[BrokerServer]:
    with RedisServer(folder / "redis", program=redis_program()) as server:
        yield RedisBroker(server, url=server.url)


@contextmanager
def _redis_with_acl(folder: Path) -> Iterator[BrokerServer]:
    server = RedisServer(folder / "redis", program=redis_program())
    users = server.folder / "users.acl"
    users.write_text(ACL)
    server.configure(aclfile=users)
    with server:
        yield RedisBroker(server, url=f"redis://scrip:word@{LOOPBACK}:{server.port}/0")


@contextmanager
def _redis_with_tls(folder: Path) -> Iterator[BrokerServer]:
    issued = certificate(folder / "certificate", name=f"IP:{LOOPBACK}")
    with TlsRedis(folder / "redis", issued) as server:
        url = f"{server.url}?ssl_ca_certs={issued.authority_file}"
        yield RedisBroker(server, url=url, sender_url=f"{url}&ssl_cert_reqs=required")


@contextmanager
def _sentinel(folder: Path) -> Iterator[BrokerServer]:
    broker = SentinelBroker(folder)
    with broker.watched:
        yield broker


@contextmanager
def _opened(
    folder: Path,
    *,
    postgres: Callable[[Path], PostgresServer] = PostgresServer,
    broker: Callable[[Path], AbstractContextManager[BrokerServer]] = running_valkey,
) -> Iterator[Servers]:
    with running_postgres(folder, create=postgres) as database, broker(folder) as opened, ExitStack() as proxies:
        for each in opened.proxies:
            proxies.enter_context(each)
        yield Servers(postgres=database, broker=opened)


REDIS = {"redis-server": "redis-server"}
CONFIGURATIONS = {
    "RabbitMQ": Configuration(
        open_servers=partial(_opened, broker=_rabbitmq),
        programs={**REDIS, "rabbitmq-server": "rabbitmq-server", "epmd": "erlang-base"},
    ),
    "Redis": Configuration(
        open_servers=partial(_opened, broker=_redis),
        programs=REDIS,
        optional_programs={"faketime": "faketime"},
        faults=(*FAULTS_OF_BROKER, "clock-a-day-ahead", "clock-a-day-behind"),
    ),
    "Redis with an ACL user": Configuration(open_servers=partial(_opened, broker=_redis_with_acl), programs=REDIS),
    "Redis with TLS": Configuration(
        open_servers=partial(_opened, broker=_redis_with_tls), programs={**REDIS, "openssl": "openssl"}
    ),
    "Redis with Sentinels": Configuration(
        open_servers=partial(_opened, broker=_sentinel), programs=REDIS, faults=("broker-crashed",)
    ),
    "PgBouncer": Configuration(
        open_servers=partial(_opened, postgres=PooledPostgres),
        programs={"pgbouncer": "pgbouncer"},
        faults=FAULTS_OF_DATABASE,
    ),
    "PostgreSQL 15": Configuration(
        open_servers=partial(_opened, postgres=partial(PostgresServer, kind=Postgres15)),
        programs={str(POSTGRES_15 / "postgres"): "postgresql-15"},
        faults=FAULTS_OF_DATABASE,
    ),
}
