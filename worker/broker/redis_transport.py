"""A Redis transport that loses no message: kombu's own, except for how messages are fetched and acknowledged.

At every instant a message is either in its queue or among the unacknowledged messages, from which it is redelivered if
the worker dies. Keys and formats are kombu's, so senders and workers on kombu's own transport can share the queues.
"""

import ssl
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from worker.broker.poller import Poller
from worker.broker.waiting_channel import Channel

# Our own URL schemes in kombu's table. kombu's schemes keep kombu's transports.
SCHEMES = {"redis": "scrip-redis", "rediss": "scrip-rediss", "sentinel": "scrip-sentinel"}


class Transport(redis.Transport):
    """kombu's transport with our channel and our poller."""

    Channel = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Make the loop poll the channels."""
        self.cycle.loop = loop
        super().register_with_event_loop(connection, loop)


class SecureTransport(Transport):
    """Our transport over TLS."""

    def __init__(self, client: Any, **options: Any) -> None:
        """Use TLS even if the URL has no options for it, and check the server's certificate. kombu would not check."""
        client.ssl = client.ssl or {"ssl_cert_reqs": ssl.CERT_REQUIRED}
        super().__init__(client, **options)


class SentinelChannel(Channel, redis.SentinelChannel):
    """A channel to the server that Sentinel names as the master."""

    from_transport_options = (*redis.SentinelChannel.from_transport_options, "prefetch_bytes")


class SentinelTransport(Transport):
    """Our transport to the server that Sentinel names as the master."""

    default_port = redis.SentinelTransport.default_port
    Channel = SentinelChannel

    def __init__(self, client: Any, **options: Any) -> None:
        """Restore the scheme `sentinel` in the URLs of the other sentinels: kombu selects them by that."""
        client.alt = [url.replace(SCHEMES["sentinel"], "sentinel", 1) for url in client.alt]
        super().__init__(client, **options)


def register() -> None:
    """Add the transports to kombu's table, under our own schemes."""
    TRANSPORT_ALIASES.update(
        {
            # kombu calls a function in this table to get the class of the transport.
            SCHEMES["redis"]: lambda: Transport,
            SCHEMES["rediss"]: lambda: SecureTransport,
            SCHEMES["sentinel"]: lambda: SentinelTransport,
        }
    )


def consuming_url(broker_url: str) -> str:
    """Return the URL with our schemes instead of kombu's for Redis. Other URLs are returned unchanged."""
    return ";".join(_with_our_scheme(each) for each in broker_url.split(";"))


def _with_our_scheme(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    # A scheme such as `redis+socket` also says how to connect.
    name, plus, connection = scheme.partition("+")
    return f"{SCHEMES.get(name, name)}{plus}{connection}{separator}{rest}"
