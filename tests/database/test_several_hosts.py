"""An address of the database may have several hosts, in libpq's form or SQLAlchemy's."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, make_url, text

from scrip.stack.listener import free_port
from tests.support.database_between_tests import run_outside_transaction
from tests.support.environment import changed_environment
from worker.database import engine, transaction
from worker.database_url import hosts, read_database_url


def in_libpqs_form(url: URL, *, first_port: int) -> str:
    """Return an address of two hosts."""
    return f"postgresql://{url.username}:{url.password}@{url.host}:{first_port},{url.host}:{url.port}/{url.database}"


def in_sqlalchemys_form(url: URL, *, first_port: int) -> str:
    """Return an address of two hosts."""
    both = f"host={url.host}:{first_port}&host={url.host}:{url.port}"
    return f"postgresql://{url.username}:{url.password}@/{url.database}?{both}"


@pytest.mark.parametrize("form", [in_libpqs_form, in_sqlalchemys_form])
def test_the_first_living_host_is_used(database: dict[str, str], form: Callable[..., str]):
    """Nothing listens on the port of the first."""
    url = make_url(database["DATABASE_URL"])
    with changed_environment(DATABASE_URL=form(url, first_port=free_port())), transaction() as session:
        assert session.execute(text("SELECT inet_server_port()")).scalar_one() == url.port


@pytest.fixture
def read_only_database(database: dict[str, str]) -> Iterator[dict[str, str]]:
    """Let new connections of other programs be read-only in the end."""
    yield database
    run_outside_transaction("ALTER ROLE scrip_worker RESET default_transaction_read_only")


def test_only_a_host_that_can_write_is_used(read_only_database: dict[str, str]):
    """Unless the address says otherwise."""
    url = make_url(read_only_database["DATABASE_URL"])
    both = in_libpqs_form(url, first_port=free_port())
    run_outside_transaction("ALTER ROLE scrip_worker SET default_transaction_read_only = on")
    with changed_environment(DATABASE_URL=both), pytest.raises(Exception, match="session is read-only"):
        engine().connect()
    with changed_environment(DATABASE_URL=f"{both}?target_session_attrs=any"), transaction() as session:
        assert session.execute(text("SHOW transaction_read_only")).scalar_one() == "on"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://somewhere/scrip", ["somewhere"]),
        ("postgresql://scrip:a,b@somewhere/scrip", ["somewhere"]),
        ("postgresql://scrip:a@one,two/scrip", ["one", "two"]),
        ("postgresql://scrip:a@[::1]:5432,[::2]/scrip", ["::1", "::2"]),
        ("postgresql://scrip@/scrip?host=one,two&port=1,2", ["one", "two"]),
        ("postgresql:///scrip?host=/run/postgresql", ["/run/postgresql"]),
        ("postgresql:///scrip", [""]),
    ],
)
def test_the_hosts_of_an_address(address: str, expected: list[str]):
    """The time to connect is divided among them."""
    assert hosts(read_database_url(address)) == expected
