"""The Procfile's programs as parts: when a worker and Flower count as ready, and what they are told to do so."""

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

# Celery's name for the mailboxes of its workers.
CONTROL_EXCHANGE = "celery"
# A worker that is up answers in milliseconds, one that is not does not hear the question: it is asked again.
ANSWER_SECONDS_MAX = 0.5
# Somebody else at Flower's port may accept and say nothing.
PAGE_SECONDS_MAX = 3
FLOWER_USER = "scrip"


def celery_command(words: Sequence[str]) -> str | None:
    """This function will return Celery's subcommand in `celery -A app subcommand …`, or None for another program."""
    match words:
        case ["celery", "-A", _, command, *_]:
            return command
        case _:
            return None


class Worker(StackProcess):
    """A Celery worker: ready when it answers a ping."""

    def ready(self) -> bool:
        """This method will ask the worker through the broker, as `celery inspect ping` does."""
        node = node_name(self.command())
        with Connection(self.environment()["REDIS_URL"]) as connection:
            mailbox = Mailbox(CONTROL_EXCHANGE, type="fanout", accept=["json"])(connection)
            try:
                replies: list[dict[str, Any]] = mailbox.call([node], "ping", timeout=ANSWER_SECONDS_MAX)
            except (OperationalError, *connection.connection_errors):
                return False
        return any(node in reply for reply in replies or ())


def node_name(words: Sequence[str]) -> str:
    """This function will return the name under which the worker of that command line answers."""
    names = [value for option, value in pairwise(words) if option in {"-n", "--hostname"}]
    name: str = host_format(default_nodename(names[-1] if names else None))
    return name


class Flower(Listener):
    """Flower: ready when it refuses those without its password and lets in those with it."""

    def environment(self) -> Mapping[str, str]:
        """This method will return the variables with Flower's own options: it is no program for the command line."""
        return {
            **super().environment(),
            "FLOWER_ADDRESS": LOOPBACK,
            "FLOWER_PORT": str(self.port),
            "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{password(self.home, 'flower')}",
        }

    @property
    def address(self) -> str:
        """This property will be Flower's URL without the password, to be shown."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """This property will be the FLOWER_URL, with the password."""
        return f"http://{FLOWER_USER}:{password(self.home, 'flower')}@{LOOPBACK}:{self.port}"

    def ready(self) -> bool:
        """This method will knock, with and without the password, so that nobody else at that port passes for Flower."""
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


KINDS: Mapping[str | None, type[StackProcess]] = {"worker": Worker, "flower": Flower}


def parts(
    programs: Mapping[str, Sequence[str]], *, home: Path, environment: Mapping[str, str], folder: Path
) -> list[StackProcess]:
    """This function will make a part of each program; one that is neither worker nor Flower is ready while it runs."""
    return [
        KINDS.get(celery_command(words), StackProcess)(
            name=name, home=home, command=words, environment=environment, folder=folder
        )
        for name, words in programs.items()
    ]
