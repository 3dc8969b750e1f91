"""Writes that are repeated, one after the other or at once: one change, with the first actor."""

from typing import Any

import pytest

from tests.support.concurrency import at_once, send
from tests.support.pages import items
from tests.support.requests import add_codes, create_voucher, voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")

ACTORS = ["anna", "bert"] * 4


def changes(voucher: str) -> list[dict[str, Any]]:
    """Return all changes of a voucher, newest first."""
    return items("vouchers.history", voucher=voucher, limit=200)


def writes(voucher: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a write of each kind after the creation: the task and its request."""
    (code,) = add_codes(voucher, {"code": "VIP"}, actor="carl")
    named = {"project": "gigs", "voucher": voucher["id"]}
    return {
        "updated": ("vouchers.update", {**named, "name": "New", "requestId": "r1"}),
        "codes_added": ("vouchers.add_codes", {**named, "codes": [{"code": "NEW"}], "requestId": "r1"}),
        "codes_generated": ("vouchers.generate_codes", {**named, "count": 2, "requestId": "r1"}),
        "code_retired": ("codes.retire", {"project": "gigs", "code": code["id"]}),
        "retired": ("vouchers.retire", named),
    }


KINDS = ["updated", "codes_added", "codes_generated", "code_retired", "retired"]


@pytest.mark.parametrize("is_retired", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_write_is_one_change_with_the_first_actor(kind, is_retired):
    """The repetition by another actor gets the same answer. So it is on a retired voucher."""
    voucher = create_voucher()
    task, body = writes(voucher)[kind]
    if is_retired:
        task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"], "actor": "anna"})
    answers = [task_named(task)(request={**body, "actor": actor}) for actor in ("anna", "bert", None)]
    assert answers == [answers[0]] * 3
    made = [each["actor"] for each in changes(voucher["id"]) if each["kind"] == kind and each["actor"] != "carl"]
    assert made == ["anna"]


@pytest.mark.parametrize("kind", KINDS)
def test_writes_at_once_are_one_change(kind):
    """Half of the eight copies name another actor. Which of the two came first is open."""
    voucher = create_voucher()
    task, body = writes(voucher)[kind]
    answers = at_once(send(task, [{**body, "actor": actor} for actor in ACTORS]))
    assert {str(each.get("reason")) for each in answers} == {"None"}
    made = [each["actor"] for each in changes(voucher["id"]) if each["kind"] == kind and each["actor"] != "carl"]
    assert made in (["anna"], ["bert"])


def test_creations_at_once_are_one_change():
    """The voucher is created once."""
    bodies = [{**voucher_body(requestId="r1"), "actor": actor} for actor in ACTORS]
    answers = at_once(send("vouchers.create", bodies))
    (voucher,) = {each["id"] for each in answers}
    (created,) = changes(voucher)
    assert (created["kind"], created["actor"] in ACTORS) == ("created", True)


def test_updates_at_once_follow_each_other_in_the_history():
    """Each begins where the one before has ended."""
    voucher = create_voucher()
    named = {"project": "gigs", "voucher": voucher["id"]}
    at_once(send("vouchers.update", [{**named, "name": f"Name {number}", "actor": "anna"} for number in range(8)]))
    *updates, _created = changes(voucher["id"])
    befores = [each["from"]["name"] for each in updates]
    afters = [each["to"]["name"] for each in updates]
    assert befores[:-1] == afters[1:]
    assert befores[-1] == voucher["name"]
