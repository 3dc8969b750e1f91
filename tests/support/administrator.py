"""Transactions of the database's superuser, for tests that do what the worker's role may not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit

from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from worker.database import new_engine
from worker.settings import database_settings


@cache
def administrators_engine() -> Engine:
    """Return the engine of the superuser, with the worker's settings."""
    values = database_settings()
    # Tests with servers of their own connect as the superuser in any case.
    url = os.environ.get("DATABASE_ADMINISTRATOR_URL", values.database_url)
    return new_engine(values.model_copy(update={"database_url": url}))


def administrators_url(url: str) -> str:
    """Return the superuser's URL of the same database, if it is of the server of all tests, or else the URL itself."""
    return _as_administrator(url, variable="DATABASE_ADMINISTRATOR_URL")


def administrators_broker_url(url: str) -> str:
    """Return the administrator's URL of the same database of Valkey, if it is of the server of all tests."""
    return _as_administrator(url, variable="REDIS_ADMINISTRATOR_URL")


def _as_administrator(url: str, *, variable: str) -> str:
    administrators, parts = urlsplit(os.environ.get(variable, url)), urlsplit(url)
    return url if parts.port != administrators.port else administrators._replace(path=parts.path).geturl()


def empty_broker(url: str) -> None:
    """Delete all keys of a database of Valkey, which the URL of the worker's user names."""
    with Redis.from_url(administrators_broker_url(url)) as administrator:
        administrator.flushdb()


@contextmanager
def as_administrator() -> Iterator[Session]:
    """Yield a session in a transaction of the superuser, which is committed at the end."""
    with Session(administrators_engine(), autoflush=False) as session, session.begin():
        yield session
