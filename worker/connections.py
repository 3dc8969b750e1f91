"""The options of the connections to brokers and result stores: how long a client waits, and how it finds a server."""

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.addresses import amqp_tls_options, scheme_of, tls_options
from worker.settings import Settings

# A broker that does not answer is noticed after this time. Commands take milliseconds, and a blocking read of the
# workers at most 1 s.
BROKER_SECONDS_MAX = 3
# kombu looks this often for an overdue reply: it drops a connection within twice this time plus a second.
OVERDUE_SECONDS = 4
# Attempts to reach a result store are repeated, so each is short.
RESULT_SECONDS_MAX = 2
# Workers look for messages whose leases are over this often: a postponed message is that late at most.
RESTORE_SECONDS = 1


def broker_options(values: Settings) -> dict[str, Any]:
    """Return the transport options of the connections to the broker."""
    if is_amqp(values):
        # RabbitMQ confirms a message after a majority of its nodes has written it. Until then, the message may be lost.
        return {"confirm_publish": True, "read_timeout": BROKER_SECONDS_MAX, "write_timeout": BROKER_SECONDS_MAX}
    return {
        "visibility_timeout": values.visibility_timeout_seconds,
        # kombu looks for messages to redeliver every `interval` times `throttle` seconds. Its default is 100 s.
        "unacked_restore_throttle": 1,
        "unacked_restore_interval": RESTORE_SECONDS,
        "socket_timeout": BROKER_SECONDS_MAX,
        "socket_connect_timeout": BROKER_SECONDS_MAX,
        "socket_keepalive": True,
        "health_check_interval": OVERDUE_SECONDS,
        **_sentinel_options(values, values.broker_url, seconds_max=BROKER_SECONDS_MAX),
    }


def broker_tls(values: Settings) -> dict[str, Any] | None:
    """Return Celery's `broker_use_ssl`, or None for connections without TLS."""
    return amqp_tls_options(values.broker_url) if is_amqp(values) else tls_options(values.broker_url)


def result_tls(values: Settings) -> dict[str, Any] | None:
    """Return Celery's `redis_backend_use_ssl`, or None for connections without TLS."""
    return tls_options(values.result_backend_url)


def result_options(values: Settings) -> dict[str, Any]:
    """Return the transport options of the connections to the result store."""
    return {
        "visibility_timeout": values.visibility_timeout_seconds,
        # Celery itself stores that a message was revoked or has expired, in the worker's event loop. By default it
        # would try for 20 s and more, and no message would be fetched meanwhile.
        "retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_step": 0, "interval_max": 0.1},
        **_sentinel_options(values, values.result_backend_url, seconds_max=RESULT_SECONDS_MAX),
    }


def is_amqp(values: Settings) -> bool:
    """Return whether the broker is RabbitMQ."""
    return scheme_of(values.broker_url).startswith("amqp")


def _sentinel_options(values: Settings, urls: str, *, seconds_max: float) -> dict[str, Any]:
    if scheme_of(urls) != "sentinel":
        return {}
    credentials = {"username": values.sentinel_username, "password": values.sentinel_password}
    tls = tls_options(urls)
    return {
        "master_name": values.sentinel_master_name,
        "sentinel_kwargs": {
            **{name: value for name, value in credentials.items() if value},
            **({"ssl": True, **tls} if tls else {}),
            "socket_timeout": seconds_max,
            "socket_connect_timeout": seconds_max,
            # The next Sentinel is asked at once. redis-py would ask a dead one eleven times.
            "retry": Retry(NoBackoff(), 0),
        },
    }
