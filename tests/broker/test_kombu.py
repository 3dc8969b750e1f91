"""What the transport leans on in kombu, and what Celery makes of it. An upgrade that changes it fails here, by name."""

import inspect
import re
from pathlib import Path
from typing import Any

import kombu
import pytest
from celery import Celery
from kombu.transport import redis, virtual
from kombu.transport.redis import PRIORITY_STEPS
from kombu.utils.scheduling import priority_cycle, round_robin_cycle, sorted_cycle

from tests.end_to_end.running import CHECKOUT
from worker.app import configuration
from worker.broker import channel
from worker.broker.transport import consuming_url
from worker.settings import forget_settings

# Methods that are overridden or called, with their arguments.
SIGNATURES = {
    "redis.MultiChannelPoller.on_poll_start": "(self)",
    "redis.MultiChannelPoller.on_readable": "(self, fileno)",
    "redis.MultiChannelPoller.get": "(self, callback, timeout=None)",
    "redis.MultiChannelPoller._client_registered": "(self, channel, client, cmd)",
    "redis.MultiChannelPoller._register": "(self, channel, client, type)",
    "redis.Channel._brpop_start": "(self, timeout=None)",
    "redis.Channel._brpop_read": "(self, **options)",
    "redis.Channel._poll_error": "(self, type, **options)",
    "redis.Channel._get": "(self, queue)",
    "redis.Channel._q_for_pri": "(self, queue, pri)",
    "redis.Channel._maybe_update_queues_expire": "(self, client, queue)",
    "redis.Channel._flush_brpop_reauth": "(self)",
    "redis.Channel.conn_or_acquire": "(self, client=None)",
    "redis.Channel._create_client": "(self, asynchronous=False)",
    "redis.Channel.close": "(self)",
    "virtual.Channel.basic_consume": "(self, queue, no_ack, callback, consumer_tag, **kwargs)",
    "virtual.Channel.basic_get": "(self, queue, no_ack=False, **kwargs)",
    "virtual.Transport._deliver": "(self, message, queue)",
    "redis.QoS.append": "(self, message, delivery_tag)",
    "redis.QoS.ack": "(self, delivery_tag)",
    "redis.QoS.reject": "(self, delivery_tag, requeue=False)",
    "redis.QoS.restore_unacked": "(self, client=None)",
    "redis.QoS.restore_visible": "(self, start=0, num=10, interval=10)",
    "redis.QoS.restore_by_tag": "(self, tag, client=None, leftmost=False)",
    "virtual.QoS.append": "(self, message, delivery_tag)",
    "virtual.QoS.ack": "(self, delivery_tag)",
    "virtual.QoS._flush": "(self)",
    "virtual.QoS.can_consume": "(self)",
    "virtual.QoS.can_consume_max_estimate": "(self)",
    "virtual.QoS.restore_unacked_once": "(self, stderr=None)",
}
# Attributes that are read or set, and the method of kombu's that does the other half.
ATTRIBUTES = {
    "redis.Channel._brpop_start": ("_queue_cycle", "_in_poll", "_brpop_sent_at", "self.client.connection"),
    "redis.Channel._brpop_read": (
        "_queue_cycle.rotate",
        "_in_poll = None",
        "_flush_brpop_reauth",
        "connection._deliver",
    ),
    "redis.Channel.__init__": (
        "'BRPOP': self._brpop_read",
        "connection_errors",
        "ack_emulation",
        "connection.cycle.add",
    ),
    "redis.Channel.conn_or_acquire": ("yield client", "yield self._create_client()"),
    "redis.Channel._disconnect_pools": ("self._async_pool = self._pool = None",),
    "redis.Channel.close": ("_closing = True", "_in_poll", "_disconnect_pools"),
    "redis.Channel._update_queue_cycle": ("_queue_cycle.update(self.active_queues)",),
    "redis.MultiChannelPoller._register_BRPOP": ("channel._in_poll", "channel._brpop_start()"),
    "redis.MultiChannelPoller.on_readable": ("_fd_to_chan", "chan.handlers[type]()", "chan.qos.can_consume()"),
    "redis.Transport.register_with_event_loop": ("cycle.on_poll_start", "self.on_readable"),
    "redis.Transport.__init__": ("self.cycle = MultiChannelPoller()",),
    "redis.QoS.restore_by_tag": ("M, EX, RK = loads(",),
    "redis.QoS.restore_unacked": ("for tag in self._delivered",),
    "redis.SentinelChannel._sentinel_managed_pool": ("self.connection.client.alt", "url.scheme == 'sentinel'"),
    "virtual.QoS.restore_unacked_once": ("self._delivered", "restore_unacked()"),
}
ROOTS = {"redis": redis, "virtual": virtual}


def find(name: str) -> Any:
    """This function will find what the name says in kombu."""
    module, kind, method = name.split(".")
    return getattr(getattr(ROOTS[module], kind), method)


def test_the_version_is_the_one_that_was_read() -> None:
    """With another one, read again what is listed here, then change this line and pyproject.toml."""
    assert kombu.__version__.startswith("5.7."), "kombu's Redis transport has to be read again, see worker/channel.py"
    assert re.search(r'"kombu>=5\.7,<5\.8"', Path(CHECKOUT, "pyproject.toml").read_text())


@pytest.mark.parametrize("name", SIGNATURES)
def test_kombus_methods_take_what_they_took(name: str) -> None:
    """Each is overridden or called by worker/channel.py, polling.py, acknowledging.py or notifications.py."""
    assert str(inspect.signature(find(name))) == SIGNATURES[name]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_kombus_methods_do_what_they_did(name: str) -> None:
    """Each holds the other half of something that ours do."""
    source = inspect.getsource(find(name))
    assert [part for part in ATTRIBUTES[name] if part not in source] == []


def test_kombus_constants_are_what_they_were() -> None:
    """The keys and the lists of a queue, which other workers and every sender use."""
    assert PRIORITY_STEPS == [0, 3, 6, 9]
    assert redis.Channel.sep == "\x06\x16"
    keys = (redis.Channel.unacked_key, redis.Channel.unacked_index_key, redis.Channel.unacked_mutex_key)
    assert keys == ("unacked", "unacked_index", "unacked_mutex")
    assert issubclass(priority_cycle, round_robin_cycle)
    assert issubclass(sorted_cycle, priority_cycle)


@pytest.mark.parametrize(
    ("broker", "read_by_workers"),
    [
        ("redis://:word@host:6379/0", "scrip-redis://:word@host:6379/0"),
        ("rediss://host/0?ssl_cert_reqs=required", "scrip-rediss://host/0?ssl_cert_reqs=required"),
        ("redis+socket:///run/redis.sock", "scrip-redis+socket:///run/redis.sock"),
        ("sentinel://a:26379;sentinel://b:26379", "scrip-sentinel://a:26379;scrip-sentinel://b:26379"),
        ("amqp://host//", "amqp://host//"),
    ],
)
def test_workers_read_from_a_redis_through_our_transport(broker: str, read_by_workers: str) -> None:
    """From any other broker as Celery does."""
    assert consuming_url(broker) == read_by_workers


@pytest.mark.parametrize(("choice", "scheme"), [("scrip", "scrip-redis"), ("stock", "redis")])
def test_only_workers_use_it_and_it_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], choice: str, scheme: str
) -> None:
    """Senders, beat and Flower go through kombu's own: Flower goes by the scheme."""
    monkeypatch.setenv("SCRIP_BROKER_TRANSPORT", choice)
    monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"])
    forget_settings()
    try:
        app = Celery("scrip", set_as_current=False)
        app.add_defaults(configuration)
        assert app.connection_for_read().transport_cls == scheme
        assert app.connection_for_write().transport_cls == "redis"
        assert app.connection().as_uri().startswith("redis://")
    finally:
        forget_settings()


def test_celery_knows_it_as_redis(url: str) -> None:
    """It asks for the type before it sends events, gossips and disables prefetching."""
    with kombu.Connection(consuming_url(url)) as connection:
        assert connection.transport.driver_type == "redis"
        assert connection.transport.implements.asynchronous
        assert type(connection.default_channel) is channel.Channel
        assert set(redis.Channel.from_transport_options) < set(channel.Channel.from_transport_options)


def test_tls_and_sentinel_come_as_kombu_has_them() -> None:
    """A secure scheme without options is secure; the sentinels keep the scheme by which kombu finds them."""
    secure = kombu.Connection(consuming_url("rediss://host/0"))
    assert secure.transport.client.ssl
    assert "required" in str(kombu.Connection(consuming_url("rediss://host/0?ssl_cert_reqs=required")).ssl).lower()
    watched = kombu.Connection(consuming_url("sentinel://a:1;sentinel://b:2"), transport_options={"master_name": "m"})
    assert watched.transport.client.alt == ["sentinel://a:1", "sentinel://b:2"]
    assert issubclass(watched.transport.Channel, channel.Channel)
    assert watched.transport.Channel.connection_class is redis.SentinelChannel.connection_class
    watched.maybe_switch_next()
    assert watched.transport_cls == "scrip-sentinel"
