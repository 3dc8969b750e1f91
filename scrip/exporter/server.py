"""The HTTP server of the metrics, behind a password unless it listens on the loopback interface only."""

import hmac
import signal
import socket
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu.exceptions import KombuError
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from scrip.exporter.bounded_reading import BoundedReading
from scrip.exporter.collector import ScripCollector
from tasks.monitoring.database_figures import read_database
from worker.listen_address import read_listen_address
from worker.metrics.definitions import Reading
from worker.monitoring.broker_figures import readings_of
from worker.monitoring.queue_figures import BrokerReader
from worker.settings import Settings

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

METRICS_PATH, HEALTH_PATH = "/metrics", "/healthcheck"
BROKER_ERRORS = (OSError, KombuError, AMQPError, RedisError)
TEXT = ("Content-Type", "text/plain; charset=utf-8")


class Handler(WSGIRequestHandler):
    """Handles one request, and cuts the connection of a client that does not speak."""

    timeout = 10

    def log_message(self, *_: object) -> None:
        """Log nothing: Prometheus comes four times a minute."""


def serve(values: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve the metrics until SIGTERM or SIGINT. Raises OSError if the address cannot be listened on."""
    with listening(values) as server:
        for each in (signal.SIGTERM, signal.SIGINT):
            # `shutdown` waits for the loop, which this thread runs.
            signal.signal(each, lambda *_: Thread(target=server.shutdown).start())
        announce(f"metrics: http://{values.metrics_listen}{METRICS_PATH}")
        server.serve_forever()


def listening(values: Settings) -> WSGIServer:
    """Return a server that listens. Raises OSError if it cannot."""
    host, port = read_listen_address(values.metrics_listen)

    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET if host.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4

    application = only_metrics(make_wsgi_app(registry(values)), credentials=values.metrics_basic_auth)
    return make_server(str(host), port, application, Server, handler_class=Handler)


def registry(values: Settings) -> CollectorRegistry:
    """Return the registry with all metrics of Scrip, and no others."""
    reader = BrokerReader()

    def read_broker() -> list[Reading]:
        return list(readings_of(reader.read()))

    folder = Path(values.metrics_folder) if values.metrics_folder else None
    if folder is not None:
        # No worker may have counted yet. If the folder cannot be made, the metrics say so.
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    made = CollectorRegistry()
    made.register(
        ScripCollector(
            folder=folder,
            database=BoundedReading(read_database, errors=(SQLAlchemyError,)),
            broker=BoundedReading(read_broker, errors=BROKER_ERRORS),
        )
    )
    return made


def only_metrics(metrics: Application, *, credentials: str | None) -> Application:
    """Return an application that serves the metrics at their path to whoever has the credentials."""
    expected = f"Basic {b64encode(credentials.encode()).decode()}" if credentials else None

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == HEALTH_PATH:
            return _answer(start_response, HTTPStatus.OK)
        if expected and not hmac.compare_digest(str(environ.get("HTTP_AUTHORIZATION", "")).encode(), expected.encode()):
            return _answer(start_response, HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Basic realm="scrip"'))
        if path != METRICS_PATH:
            return _answer(start_response, HTTPStatus.NOT_FOUND)
        return metrics(environ, start_response)

    return application


def _answer(start_response: StartResponse, status: HTTPStatus, *headers: tuple[str, str]) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [TEXT, *headers])
    return [f"{status.phrase}\n".encode()]
