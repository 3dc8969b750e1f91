"""The story of the contract's page, which has a request to every task."""

from collections.abc import Generator

from tests.contract.page import Identities, steps
from tests.projects.calls import Answer, Call


def page() -> Generator[Call, list[Answer], None]:
    """Send the examples in the order of the page."""
    identities = Identities()
    for step in steps():
        (answer,) = yield Call(step.task, [identities.substitute(step.request)])
        identities.differences(step.answer, answer)
