"""The options of connections: TLS is checked unless the URL says otherwise, and no connection waits for ever."""

import ssl
from pathlib import Path
from typing import Any

import kombu
import pytest
from celery import Celery

from tests.support.environment import changed_environment
from worker.addresses import amqp_tls_options, tls_options
from worker.app import configuration

SENTINELS = "sentinel://:word@one:26379/1;sentinel://:word@two:26379/1"
# The most that a command may wait for a server that is gone.
SECONDS_MAX = 5


def configured(**variables: str) -> Celery:
    """Return an app that was configured in an environment with those variables."""
    app = Celery("scrip", set_as_current=False)
    with changed_environment(**variables):
        app.add_defaults(configuration)
        app.conf.get("broker_url")
        app.backend.as_uri()
    return app


@pytest.fixture
def own_authority(tmp_path: Path) -> Path:
    """Return a file, which is not read before the first connection."""
    file = tmp_path / "ca.pem"
    file.touch()
    return file


@pytest.mark.parametrize(
    ("parameters", "requirement", "checks_host_name"),
    [
        ("", ssl.CERT_REQUIRED, True),
        ("?ssl_cert_reqs=CERT_REQUIRED", ssl.CERT_REQUIRED, True),
        ("?ssl_check_hostname=False", ssl.CERT_REQUIRED, False),
        ("?ssl_cert_reqs=optional", ssl.CERT_OPTIONAL, True),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE, False),
    ],
)
def test_the_certificate_is_checked_unless_the_url_says_otherwise(
    parameters: str, requirement: ssl.VerifyMode, checks_host_name: bool
) -> None:
    """The values are those of kombu and of Celery's result backend."""
    assert tls_options(f"rediss://host/0{parameters}") == {
        "ssl_cert_reqs": requirement,
        "ssl_check_hostname": checks_host_name,
    }


def test_only_connections_over_tls_have_options_of_tls() -> None:
    """Without any, Celery connects in plain text."""
    assert tls_options("redis://host/0") is None
    assert amqp_tls_options("amqp://host//") is None
    assert tls_options(SENTINELS) is None


def test_broker_and_result_store_have_the_same_tls(environment: dict[str, str], own_authority: Path) -> None:  # noqa: ARG001 - the variables
    """The URL names the certificate authority. kombu's own URLs, Flower and Celery's result backend read it."""
    app = configured(REDIS_URL=f"rediss://host/0?ssl_ca_certs={own_authority}")
    expected = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": str(own_authority)}
    assert app.conf.broker_use_ssl == expected
    for connection in (app.connection_for_read(), app.connection_for_write()):
        assert expected.items() >= connection.ssl.items()
    assert expected.items() <= app.backend.connparams.items()


def test_rabbitmq_confirms_messages_and_its_certificate_is_checked(environment: dict[str, str]) -> None:  # noqa: ARG001
    """The options of py-amqp have names of their own."""
    connection = configured(BROKER_URL="amqps://host//").connection_for_write()
    assert connection.ssl == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    assert connection.transport_options["confirm_publish"]


def test_sentinels_have_a_password_and_timeouts_of_their_own(environment: dict[str, str]) -> None:  # noqa: ARG001
    """The password in the URL is that of the server. Without timeouts, a dead Sentinel would hold up the next."""
    app = configured(REDIS_URL=SENTINELS, SCRIP_SENTINEL_MASTER_NAME="main", SCRIP_SENTINEL_PASSWORD="hush")
    for options in (app.conf.broker_transport_options, app.conf.result_backend_transport_options):
        sentinel: dict[str, Any] = options["sentinel_kwargs"]
        assert (options["master_name"], sentinel["password"]) == ("main", "hush")
        assert max(sentinel["socket_timeout"], sentinel["socket_connect_timeout"]) <= SECONDS_MAX
        assert sentinel["retry"].get_retries() == 0


def test_sentinels_are_reached_over_tls_if_the_url_has_its_parameters(environment: dict[str, str]) -> None:  # noqa: ARG001
    """Otherwise the passwords would be sent to the Sentinels in plain text."""
    url = "sentinel://one:26379/0?ssl_cert_reqs=required"
    app = configured(REDIS_URL=url, SCRIP_SENTINEL_MASTER_NAME="main")
    options = app.conf.broker_transport_options["sentinel_kwargs"]
    assert (options["ssl"], options["ssl_cert_reqs"]) == (True, ssl.CERT_REQUIRED)
    assert app.connection_for_read().ssl
    assert issubclass(app.backend.connparams["connection_class"], kombu.transport.redis.redis.SSLConnection)


def test_no_connection_waits_for_ever(environment: dict[str, str]) -> None:  # noqa: ARG001
    """The options have the names that kombu and Celery read."""
    app = configured()
    channel = app.connection_for_write().default_channel
    pool = channel.pool.connection_kwargs
    assert 0 < pool["socket_timeout"] <= SECONDS_MAX
    assert 0 < pool["socket_connect_timeout"] <= SECONDS_MAX
    assert 0 < app.backend.connparams["socket_timeout"] <= SECONDS_MAX
    assert 0 < app.backend.connparams["socket_connect_timeout"] <= SECONDS_MAX
    # kombu drops a connection whose reply is overdue after this time.
    assert channel.connection.brpop_timeout + 2 * channel.health_check_interval < 10
    assert app.conf.broker_connection_max_retries is None
