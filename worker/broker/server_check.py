"""A look at the broker before a worker starts: a server that cannot keep messages is refused in one line.

A server that cannot be reached yet, or does not tell, is not checked: the worker waits for it as usual.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from amqp.exceptions import PreconditionFailed  # type: ignore[import-untyped]
from celery.signals import celeryd_init
from kombu import Connection, Queue

import worker.logs.beginning  # noqa: F401 - connects a signal handler, which has to be called before the one below

# The fetching script needs the commands of Redis 6.2. RabbitMQ 3.10 is the oldest on which the tests were run.
REDIS_MIN = (6, 2)
RABBITMQ_MIN = (3, 10)
# OpenSSL's word for a certificate of an unknown authority, or of another host. Waiting does not mend it.
NOT_TRUSTED = "CERTIFICATE_VERIFY_FAILED"

# Not one of Celery's loggers: the worker has not set up its log yet, and Python writes the line to standard error.
logger = logging.getLogger(__name__)


@celeryd_init.connect(weak=False)
def check_broker(instance: Any, **_: Any) -> None:
    """End the worker before its start if the broker cannot be used, and warn of a broker that may lose messages."""
    with instance.app.connection_for_read() as connection:
        unreachable = (*connection.connection_errors, *connection.channel_errors)
        try:
            connection.connect()
            is_redis = connection.transport.driver_type == "redis"
            queues = instance.app.amqp.queues.values()
            problem = _check_redis(connection) if is_redis else _problem_of_rabbitmq(connection, queues)
        except unreachable as error:
            problem = " ".join(str(error).split()) if NOT_TRUSTED in str(error) else None
        if problem:
            raise SystemExit(f"scrip: the broker cannot be used: {problem}")


def _check_redis(connection: Connection) -> str | None:
    information = connection.default_channel.client.info()
    for warning in _warnings(information):
        logger.warning("scrip: the broker may lose messages: %s", warning)
    return problem_of_redis(information)


def problem_of_redis(information: Mapping[str, Any]) -> str | None:
    """Return the reason why a server with that answer to INFO cannot be the broker, or None."""
    if information.get("cluster_enabled"):
        return "a transaction cannot span the slots of a Redis Cluster: use a single server, or Sentinel"
    version = str(information.get("redis_version", ""))
    return f"it is Redis {version}, and must be 6.2 or newer" if _is_older(version, REDIS_MIN) else None


def _warnings(information: Mapping[str, Any]) -> Iterator[str]:
    if (policy := information.get("maxmemory_policy", "noeviction")) != "noeviction":
        yield f"its maxmemory-policy is {policy}, and must be noeviction"
    if not information.get("aof_enabled", 1):
        yield "it has no append-only file, so a restart empties the queues: set appendonly yes"


def _problem_of_rabbitmq(connection: Connection, queues: Iterable[Queue]) -> str | None:
    version = str(connection.connection.server_properties.get("version", ""))
    if _is_older(version, RABBITMQ_MIN):
        return f"it is RabbitMQ {version}, and must be 3.10 or newer"
    try:
        for queue in queues:
            queue(connection.default_channel).declare()
    except PreconditionFailed as error:
        # Celery would try again several times a second.
        return f"{error.reply_text}: see docs/brokers.md"
    return None


def _is_older(version: str, minimum: tuple[int, int]) -> bool:
    numbers = version.split(".")[:2]
    # A server of another make may have a version that is no number.
    return all(each.isdecimal() for each in numbers) and tuple(map(int, numbers)) < minimum
