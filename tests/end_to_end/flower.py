"""Flower as a program, which reads the broker by its own code."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from html import unescape
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.broker import Json
from tests.end_to_end.programs import Program
from tests.support.waiting import eventually

CREDENTIALS = "user:word"
ANSWER_SECONDS_MAX = 20
ERRORS_FROM = 400
ROW = re.compile(r'<tr id="[^"]*">(.*?)</tr>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
CELL = re.compile(r"<td[^>]*>\s*(.*?)\s*</td>", re.DOTALL)


class Flower(Program):
    """`celery -A tasks flower` on a free port."""

    def __init__(self, *options: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Describe the program, with further options of Flower."""
        self.port = free_port()
        variables = {**environment, "FLOWER_BASIC_AUTH": CREDENTIALS, "FLOWER_PORT": str(self.port)}
        super().__init__("flower", "--conf=worker/flower.py", *options, folder=folder, environment=variables)

    def is_answering(self) -> bool:
        """Return whether Flower has started."""
        try:
            return bool(self.get("/healthcheck"))
        except URLError:
            return False

    def queue_lengths(self) -> dict[str, int]:
        """Return the number of messages in each queue as Flower reads them."""
        queues = json.loads(self.get("/api/queues/length"))["active_queues"]
        # RabbitMQ's management tells of a new queue before it knows its numbers.
        return {each["name"]: each["messages"] for each in queues if "messages" in each}

    def broker_page(self) -> dict[str, list[str]]:
        """Return the cells of each queue on the page of the broker: messages, unacknowledged, ready and so on."""
        page = self.get("/broker")
        rows = ([unescape(TAG.sub("", cell)) for cell in CELL.findall(row)] for row in ROW.findall(page))
        return {name: cells for name, *cells in rows}

    def tasks(self, search: str = "") -> list[Json]:
        """Return up to a thousand tasks of the list, those that a search finds."""
        parameters = {"draw": 1, "start": 0, "length": 1_000, "search[value]": search, "order[0][column]": 0}
        found = json.loads(self.get(f"/tasks/datatable?{urlencode(parameters)}"))
        assert "searchError" not in found, found
        tasks: list[Json] = found["data"]
        return tasks

    def get(self, path: str) -> str:
        """Return the text at a path. Raise HTTPError if there is none."""
        status, text = self.ask(path)
        if status >= ERRORS_FROM:
            raise HTTPError(path, status, text, Message(), None)
        return text

    def ask(self, path: str, *, method: str = "GET", password: bool = True) -> tuple[int, str]:
        """Return the status and the text of the answer to a request, with or without the password."""
        assert self.is_alive(), self.log
        credentials = b64encode(CREDENTIALS.encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"} if password else {}
        body = b"" if method in {"POST", "PUT", "PATCH"} else None
        request = Request(f"http://{LOOPBACK}:{self.port}{path}", headers=headers, method=method, data=body)
        try:
            with urlopen(request, timeout=ANSWER_SECONDS_MAX) as response:  # noqa: S310 - our own address
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def running_flower(folder: Path, environment: Mapping[str, str], *options: str) -> Iterator[Flower]:
    """Run Flower, and wait until it answers."""
    with Flower(*options, folder=folder, environment=environment) as flower:
        eventually(flower.is_answering)
        yield flower
