"""The address on which a process listens, written as `127.0.0.1:9808` or `[::1]:9808`."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

PORT_MAX = 65_535


class ListenAddress(NamedTuple):
    """An interface's address and a port."""

    host: IPv4Address | IPv6Address
    port: int


def read_listen_address(text: str) -> ListenAddress:
    """Read an address with a port. Raises ValueError if it is none."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= PORT_MAX):
        raise ValueError("not an address with a port")
    is_bracketed = host.startswith("[") and host.endswith("]")
    address = ip_address(host[1:-1] if is_bracketed else host)
    if is_bracketed != isinstance(address, IPv6Address):
        raise ValueError("only an IPv6 address stands in brackets")
    return ListenAddress(address, int(port))
