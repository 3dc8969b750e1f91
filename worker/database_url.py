"""The address of the database: one host, or several of which one is the primary, in libpq's form or SQLAlchemy's."""

import os
import re

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+psycopg"
# The schemes that libpq accepts.
SCHEMES = {"postgresql", "postgres"}
# libpq's word for the certificate authorities that the system trusts.
SYSTEM_AUTHORITIES = "system"
# libpq's form of several hosts: `postgresql://user:password@one:5432,two:5433/database`. SQLAlchemy cannot read it.
_SEVERAL_HOSTS = re.compile(r"([\w+]+://(?:[^@/?]*@)?)([^@/?]*,[^@/?]*)((?:[/?].*)?)")
_HOST_AND_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?")


def read_database_url(text: str) -> URL:
    """Return the address for SQLAlchemy.

    If it has several hosts and does not say which of them to use, the primary is used. If it requires TLS, the
    certificate and its host name are checked. Raises ValueError or
    ArgumentError if the text is no address of a PostgreSQL server. The errors may quote a part of the password.
    """
    found = _SEVERAL_HOSTS.fullmatch(text)
    url = make_url(found[1] + found[3] if found else text)
    # If a password contains an at sign, its second half becomes part of the host, which error messages show.
    if url.get_backend_name().lower() not in SCHEMES or "@" in (url.host or ""):
        raise ArgumentError("not the address of a PostgreSQL server")
    url = url.set(drivername=DRIVER)
    if found:
        url = url.update_query_dict(_hosts_and_ports(found[2]))
    if len(hosts(url)) > 1 and "target_session_attrs" not in url.query:
        url = url.update_query_dict({"target_session_attrs": "read-write"})
    return _with_checked_certificate(url)


def _with_checked_certificate(url: URL) -> URL:
    # libpq's `require` encrypts, and talks to whoever answers.
    if url.query.get("sslmode") != "require":
        return url
    named = url.query.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or SYSTEM_AUTHORITIES
    return url.update_query_dict({"sslmode": "verify-full", "sslrootcert": named})


def hosts(url: URL) -> list[str]:
    """Return the hosts of an address. An address without a host has one, the empty text."""
    _, parameters = url.get_dialect()().create_connect_args(url)
    return str(parameters.get("host", "")).split(",")


def _hosts_and_ports(authority: str) -> dict[str, str]:
    matches = [_HOST_AND_PORT.fullmatch(each) for each in authority.split(",")]
    found = [each for each in matches if each]
    if len(found) != len(matches):
        raise ArgumentError("a port is no number")
    names = [each[1] or each[2] or "" for each in found]
    return {"host": ",".join(names), "port": ",".join(each[3] or "" for each in found)}
