"""A batch that fails as a whole, because a child could not even return its outcomes."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.intake.batch import Batch


class Postponements:
    """A channel of Redis that notes which messages are postponed."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def postpone_for(self, tag: str, _seconds: float) -> None:
        """Note a postponed message."""
        self.tags.append(tag)

    postpone = postpone_for


class Children:
    """Runs batches at once, in the place of a gatherer and a pool. A batch with the message at fault fails."""

    task = SimpleNamespace(name="redemptions.redeem", is_gathered=True)

    def __init__(self, *, at_fault: str) -> None:
        self.at_fault = at_fault
        self.decided: list[str] = []

    def is_open(self) -> bool:
        """Return that batches may start."""
        return True

    def add_later(self, request: Any, _seconds: float) -> None:
        """Fail: only RabbitMQ needs this."""
        raise AssertionError(request.id)

    def on_batch_ended(self, _batch: Batch, **_: Any) -> None:
        """Do nothing."""

    def run_again(self, batch: Batch) -> None:
        """Run a batch."""
        ids = [each.id for each in batch.requests]
        if self.at_fault in ids:
            batch.on_fault(SimpleNamespace(exception=RuntimeError("unpicklable")))
        else:
            self.decided += ids


class Part:
    """A part of a request."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


def request(name: str, channel: Postponements) -> Any:
    """Return the part of a request that a failed batch uses."""
    message = SimpleNamespace(body=name, delivery_tag=name, channel=channel)
    return Part(
        id=name, name="redemptions.redeem", message=message, send_event=lambda *_, **__: None, acknowledged=False
    )


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_only_the_message_at_fault_is_postponed(count: int) -> None:
    """The other messages of its batch are decided."""
    channel, names = Postponements(), [str(number) for number in range(count)]
    children: Any = Children(at_fault=names[-1])
    children.run_again(Batch(gatherer=children, requests=[request(each, channel) for each in names]))
    assert children.decided == names[:-1]
    assert channel.tags == names[-1:]
