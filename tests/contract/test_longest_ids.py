"""Every task takes ids of 255 characters, also if each character takes four bytes in UTF-8."""

import re
from typing import Any

import pytest

from tests.contract.page import DERIVED, IDENTITY, Identities, steps
from tests.support.tasks import task_named

LONGEST = 255
# Dintero's account ids have a form of their own, and so has the request id of a stamp card's redemption.
FIXED = re.compile(rf"[PT]\d{{8}}|{DERIVED.pattern}")
# The fields of requests and answers that have an id of the caller.
IDS = {
    *("project", "requestId", "customer", "subscription", "invoice", "product", "ref", "refType", "createdBy", "actor"),
    "creditedBy",
    # In the formats of other systems.
    *("organization_id", "customerId", "customer_id", "ref_type", "created_by"),
}
# A position in a list of invoices is the caller's id.
CURSORS = {"moreItemsAfter", "moreItemsBefore"}


def widened(value: Any, *, name: str = "") -> Any:
    """Return a request or answer with each of the caller's ids filled up to the maximum."""
    match value:
        case dict():
            return {key: widened(each, name=key) for key, each in value.items()}
        case list():
            return [widened(each, name=name) for each in value]
        case str() if name in CURSORS and IDENTITY.fullmatch(value):
            return value
        case str() if name in IDS | CURSORS | {"products", "excludedProducts"} and not FIXED.fullmatch(value):
            # Different characters cannot be compressed, so that the ids are as long in an index.
            filling = "".join(chr(0x1F300 + (position * 37 + len(value)) % 700) for position in range(LONGEST))
            return (value + filling)[:LONGEST]
    return value


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_every_example_is_answered_with_the_longest_ids():
    """The answers are those of the page, with the longer ids."""
    identities = Identities()
    for step in steps():
        answer = task_named(step.task)(request=widened(identities.substitute(step.request)))
        assert identities.differences(widened(step.answer), answer) == [], step.task
