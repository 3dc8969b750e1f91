"""The programs of the Procfile as processes of the stack: when a worker, Flower and the exporter count as ready."""

import http.client
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from celery.utils.nodenames import default_nodename, host_format
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.pidbox import Mailbox

from scrip.stack.data_folder import password
from scrip.stack.listener import LOOPBACK, Listener
from scrip.stack.process import StackProcess

# Celery's name for the mailboxes of workers.
CONTROL_EXCHANGE = "celery"
# A running worker answers in milliseconds. A starting worker misses the ping, so the ping is repeated.
ANSWER_SECONDS_MAX = 0.5
# Another program at Flower's port may accept the connection and never answer.
PAGE_SECONDS_MAX = 3
FLOWER_USER = "scrip"
# The exporter's answer to a health check.
HEALTHY = b"OK\n"


def subcommand(words: Sequence[str]) -> str | None:
    """Return the subcommand in `celery -A app subcommand …` or `scrip subcommand …`, or None for another program."""
    match words:
        case ["celery", "-A", _, command, *_] | ["scrip", command, *_]:
            return command
        case _:
            return None


class Worker(StackProcess):
    """A Celery worker, ready when a ping is answered."""

    def ready(self) -> bool:
        """Return whether the worker answers a ping through the broker, as `celery inspect ping` does."""
        node = node_name(self.command())
        with Connection(self.environment()["REDIS_URL"]) as connection:
            mailbox = Mailbox(CONTROL_EXCHANGE, type="fanout", accept=["json"])(connection)
            try:
                replies: list[dict[str, Any]] = mailbox.call([node], "ping", timeout=ANSWER_SECONDS_MAX)
            except (OperationalError, *connection.connection_errors):
                return False
        return any(node in reply for reply in replies or ())


def node_name(words: Sequence[str]) -> str:
    """Return the node name of the worker with that command line."""
    names = [value for option, value in pairwise(words) if option in {"-n", "--hostname"}]
    name: str = host_format(default_nodename(names[-1] if names else None))
    return name


class Flower(Listener):
    """Flower, ready when requests are refused without the password and accepted with it."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables with Flower's own options, so that no password is on the command line."""
        return {
            **super().environment(),
            "FLOWER_ADDRESS": LOOPBACK,
            "FLOWER_PORT": str(self.port),
            "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{password(self.data_folder, 'flower')}",
        }

    @property
    def address(self) -> str:
        """Flower's URL without the password, to be shown."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The FLOWER_URL, with the password."""
        return f"http://{FLOWER_USER}:{password(self.data_folder, 'flower')}@{LOOPBACK}:{self.port}"

    def ready(self) -> bool:
        """Return whether Flower answers. Another program at the port would accept a request without the password."""
        credentials = b64encode(self.environment()["FLOWER_BASIC_AUTH"].encode()).decode()
        return (
            self._status({}) == http.HTTPStatus.UNAUTHORIZED
            and self._status({"Authorization": f"Basic {credentials}"}) < http.HTTPStatus.BAD_REQUEST
        )

    def _status(self, headers: Mapping[str, str]) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PAGE_SECONDS_MAX)
        try:
            connection.request("GET", "/", headers=dict(headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return http.HTTPStatus.SERVICE_UNAVAILABLE
        finally:
            connection.close()


class Metrics(Listener):
    """The exporter of the metrics, ready when it answers."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables with the exporter's own address."""
        return {**super().environment(), "SCRIP_METRICS_LISTEN": f"{LOOPBACK}:{self.port}"}

    @property
    def url(self) -> str:
        """The METRICS_URL."""
        return f"http://{LOOPBACK}:{self.port}/metrics"

    def ready(self) -> bool:
        """Return whether the exporter answers. Another program at the port would hardly say the same."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PAGE_SECONDS_MAX)
        try:
            connection.request("GET", "/healthcheck")
            return connection.getresponse().read() == HEALTHY
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


KINDS: Mapping[str | None, type[StackProcess]] = {"worker": Worker, "flower": Flower, "metrics": Metrics}


def stack_processes(
    programs: Mapping[str, Sequence[str]], *, data_folder: Path, environment: Mapping[str, str], folder: Path
) -> list[StackProcess]:
    """Return a process for each program. A program of another kind is ready while it runs."""
    return [
        KINDS.get(subcommand(words), StackProcess)(
            name=name, data_folder=data_folder, command=words, environment=environment, folder=folder
        )
        for name, words in programs.items()
    ]
