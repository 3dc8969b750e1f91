"""The parts of kombu on which our transport depends. An upgrade that changes any of them fails here, by name."""

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

from tests.end_to_end.programs import CHECKOUT
from worker.app import configuration
from worker.broker import waiting_channel
from worker.broker.poller import Poller
from worker.broker.prefetched_messages import QoS
from worker.broker.redis_transport import consuming_url
from worker.settings import forget_settings

# The methods that our classes override or call, with their arguments.
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
    "redis.Channel._handle_message": "(self, client, r)",
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
    "redis.Transport.register_with_event_loop": "(self, connection, loop)",
    "redis.MultiChannelPoller.maybe_restore_messages": "(self)",
    "virtual.Channel._lookup": "(self, exchange, routing_key, default=None)",
    "virtual.Channel._get_message_priority": "(self, message, reverse=False)",
    "virtual.QoS.append": "(self, message, delivery_tag)",
    "virtual.QoS.ack": "(self, delivery_tag)",
    "virtual.QoS._flush": "(self)",
    "virtual.QoS.can_consume": "(self)",
    "virtual.QoS.can_consume_max_estimate": "(self)",
    "virtual.QoS.restore_unacked_once": "(self, stderr=None)",
}
# The expressions in kombu's methods on which our overriding methods depend.
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
    "redis.Channel._receive_one": (
        "payload = self._handle_message(c, response)",
        "if payload['data']:",
        "loads(bytes_to_str(payload['data']))",
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
    "redis.Channel._do_restore_message": ("_lookup(exchange, routing_key)", "_get_message_priority(", "_q_for_pri("),
    "redis.MultiChannelPoller.maybe_restore_messages": ("qos.restore_visible(",),
    "redis.QoS.restore_unacked": ("for tag in self._delivered",),
    "redis.SentinelChannel._sentinel_managed_pool": ("self.connection.client.alt", "url.scheme == 'sentinel'"),
    "virtual.QoS.restore_unacked_once": ("self._delivered", "restore_unacked()"),
}
ROOTS = {"redis": redis, "virtual": virtual}


def find(name: str) -> Any:
    """Return the method of kombu with that name."""
    module, kind, method = name.split(".")
    return getattr(getattr(ROOTS[module], kind), method)


def test_the_version_is_the_one_that_was_reviewed() -> None:
    """Before an upgrade, review the methods listed here. Then change this test and pyproject.toml."""
    assert kombu.__version__.startswith("5.7."), "review kombu's Redis transport again, see worker/broker"
    assert re.search(r'"kombu>=5\.7,<5\.8"', Path(CHECKOUT, "pyproject.toml").read_text())


@pytest.mark.parametrize("name", SIGNATURES)
def test_kombus_methods_take_the_same_arguments(name: str) -> None:
    """Each is overridden or called in worker/broker."""
    assert str(inspect.signature(find(name))) == SIGNATURES[name]


@pytest.mark.parametrize("ours", [waiting_channel.Channel, QoS, Poller])
def test_our_classes_override_only_the_methods_listed_here(ours: type) -> None:
    """A new method whose name kombu has too would silently replace kombu's."""
    own = [each for each in ours.__mro__ if each.__module__.startswith("worker.")]
    names = {name for each in own for name, member in vars(each).items() if inspect.isfunction(member)}
    inherited = {name for each in ours.__mro__ if each not in own for name in vars(each)}
    assert {name for name in names & inherited if not name.startswith("__")} <= {
        each.split(".")[2] for each in SIGNATURES
    }


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_kombus_methods_contain_the_same_expressions(name: str) -> None:
    """Each does a part of the work of an overriding method."""
    source = inspect.getsource(find(name))
    assert [part for part in ATTRIBUTES[name] if part not in source] == []


def test_kombus_constants_are_the_same() -> None:
    """Other workers and every sender use these keys and lists."""
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
    """Workers read from any other broker through kombu's own."""
    assert consuming_url(broker) == read_by_workers


@pytest.mark.parametrize(("choice", "scheme"), [("scrip", "scrip-redis"), ("stock", "redis")])
def test_only_workers_use_our_transport_and_it_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], choice: str, scheme: str
) -> None:
    """Senders, beat and Flower use kombu's own: Flower does not know our URL schemes."""
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


def test_celery_takes_our_transport_for_redis(url: str) -> None:
    """Celery asks for the type before it sends events, gossips or disables prefetching."""
    with kombu.Connection(consuming_url(url)) as connection:
        assert connection.transport.driver_type == "redis"
        assert connection.transport.implements.asynchronous
        assert type(connection.default_channel) is waiting_channel.Channel
        assert set(redis.Channel.from_transport_options) < set(waiting_channel.Channel.from_transport_options)


def test_tls_and_sentinel_are_configured_as_in_kombu() -> None:
    """A secure scheme needs no further options, and the sentinels keep the scheme that kombu knows."""
    secure = kombu.Connection(consuming_url("rediss://host/0"))
    assert secure.transport.client.ssl
    assert "required" in str(kombu.Connection(consuming_url("rediss://host/0?ssl_cert_reqs=required")).ssl).lower()
    watched = kombu.Connection(consuming_url("sentinel://a:1;sentinel://b:2"), transport_options={"master_name": "m"})
    assert watched.transport.client.alt == ["sentinel://a:1", "sentinel://b:2"]
    assert issubclass(watched.transport.Channel, waiting_channel.Channel)
    assert watched.transport.Channel.connection_class is redis.SentinelChannel.connection_class
    watched.maybe_switch_next()
    assert watched.transport_cls == "scrip-sentinel"
