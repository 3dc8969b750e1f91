"""The way to Redis that loses nothing: kombu's own transport, but for how messages are fetched and acknowledged.

A message is at every instant in its queue or among the unacknowledged ones, from where it comes back when its worker
is gone. Senders, and workers on kombu's own transport, work beside it: keys and formats are the same.
"""

import ssl
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from worker.broker.channel import Channel
from worker.broker.poller import Poller

# Our own names in kombu's table: only who asks for them gets these transports.
SCHEMES = {"redis": "scrip-redis", "rediss": "scrip-rediss", "sentinel": "scrip-sentinel"}


class Transport(redis.Transport):
    """This class will be kombu's transport with those channels."""

    Channel = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """This method will give all channels a poller of ours."""
        super().__init__(*arguments, **options)
        self.cycle = Poller()


class SecureTransport(Transport):
    """This class will be the same over TLS."""

    def __init__(self, client: Any, **options: Any) -> None:
        """This method will use TLS where the URL says no more than that, as kombu does for a scheme that it knows."""
        client.ssl = client.ssl or {"ssl_cert_reqs": ssl.CERT_NONE}
        super().__init__(client, **options)


class SentinelChannel(Channel, redis.SentinelChannel):
    """A channel to the server that Sentinel names."""

    from_transport_options = (*redis.SentinelChannel.from_transport_options, "prefetch_bytes")


class SentinelTransport(Transport):
    """This class will be the same where Sentinel names the server."""

    default_port = redis.SentinelTransport.default_port
    Channel = SentinelChannel

    def __init__(self, client: Any, **options: Any) -> None:
        """This method will give the sentinels their usual scheme back, by which kombu knows them."""
        client.alt = [url.replace(SCHEMES["sentinel"], "sentinel", 1) for url in client.alt]
        super().__init__(client, **options)


def register() -> None:
    """This function will enter the transports into kombu's table, under schemes of their own."""
    TRANSPORT_ALIASES.update(
        {
            # kombu calls a function that it finds there, and takes the class that it returns.
            SCHEMES["redis"]: lambda: Transport,
            SCHEMES["rediss"]: lambda: SecureTransport,
            SCHEMES["sentinel"]: lambda: SentinelTransport,
        }
    )


def consuming_url(broker_url: str) -> str:
    """This function will return the URL that reads from the broker through these transports, where it is a Redis."""
    return ";".join(_with_our_scheme(each) for each in broker_url.split(";"))


def _with_our_scheme(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    # `redis+socket://` is the scheme, and how to connect.
    name, plus, way = scheme.partition("+")
    return f"{SCHEMES.get(name, name)}{plus}{way}{separator}{rest}"
