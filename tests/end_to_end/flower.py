"""Flower as a program, which reads the broker by its own code."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.programs import Program
from tests.end_to_end.waiting import eventually

CREDENTIALS = "user:word"
ANSWER_SECONDS_MAX = 20


class Flower(Program):
    """`celery -A tasks flower` on a free port."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str]) -> None:
        """Describe the program."""
        self.port = free_port()
        variables = {**environment, "FLOWER_BASIC_AUTH": CREDENTIALS, "FLOWER_PORT": str(self.port)}
        super().__init__("flower", "--conf=worker/flower.py", folder=folder, environment=variables)

    def queue_lengths(self) -> dict[str, int] | None:
        """Return the number of messages in each queue as Flower reads them, or None while Flower is starting."""
        assert self.is_alive(), self.log
        address = f"http://{LOOPBACK}:{self.port}/api/queues/length"
        request = Request(address, headers={"Authorization": f"Basic {b64encode(CREDENTIALS.encode()).decode()}"})
        try:
            with urlopen(request, timeout=ANSWER_SECONDS_MAX) as response:  # noqa: S310 - our own address
                queues = json.load(response)["active_queues"]
        except URLError:
            return None
        return {each["name"]: each["messages"] for each in queues}


@contextmanager
def running_flower(folder: Path, environment: Mapping[str, str]) -> Iterator[Flower]:
    """Run Flower, and wait until it has read the queues."""
    with Flower(folder=folder, environment=environment) as flower:
        eventually(flower.queue_lengths)
        yield flower
