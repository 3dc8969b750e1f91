"""`vouchers.history`: who changed a voucher or its codes, in which way, and when."""

from functools import partial
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.pages import items, pages_backward, pages_forward
from tests.support.requests import add_codes, create_voucher, redeem, voucher_body
from tests.support.statements import meanwhile
from tests.support.tasks import task_named
from tests.vouchers.calls import FIXED, FUTURE, LATER, PAST, by_hand, expired, full, retrieve, update

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"
ACTOR = "anna@support"
# Each write of the project, with the bodies that it takes beside the project and the actor.
BAD_ACTORS = ["", "x" * 256, "a\0", 7, ["anna"]]


def history(voucher: str, **fields: Any) -> list[dict[str, Any]]:
    """Return the newest changes of a voucher, newest first."""
    return items("vouchers.history", voucher=voucher, limit=200, **fields)


def told(voucher: str) -> list[tuple[str, str | None]]:
    """Return the kind and the actor of each change, in their order."""
    return [(each["kind"], each["actor"]) for each in history(voucher)[::-1]]


def call(task: str, **fields: Any) -> dict[str, Any]:
    """Send a request of the project."""
    answer: dict[str, Any] = task_named(task)(request={"project": "gigs", **fields})
    return answer


def write_everything(voucher: str, code: str, *, actor: str | None) -> None:
    """Send each write on a voucher, once."""
    call("vouchers.update", voucher=voucher, name="New", actor=actor)
    call("vouchers.add_codes", voucher=voucher, codes=[{"code": f"{code}-1"}, {"code": f"{code}-2"}], actor=actor)
    call("vouchers.generate_codes", voucher=voucher, count=3, requestId=code, actor=actor)
    (newest, *_) = items("codes.list", voucher=voucher)
    call("codes.retire", code=newest["id"], actor=actor)
    call("vouchers.retire", voucher=voucher, actor=actor)


@pytest.mark.parametrize("actor", [ACTOR, None])
def test_every_write_is_in_the_history_with_its_actor(actor):
    """Or with null, if the request names none."""
    voucher = create_voucher(actor=actor)["id"]
    write_everything(voucher, "VIP", actor=actor)
    kinds = ["created", "updated", "codes_added", "codes_generated", "code_retired", "retired"]
    assert told(voucher) == [(kind, actor) for kind in kinds]


def test_a_change_says_what_was_done_when():
    """Each has the same fields, and null in those that it does not need."""
    voucher = create_voucher(actor=ACTOR)
    first, *_ = history(voucher["id"])
    assert first == {
        "object": "voucherChange",
        "id": first["id"],
        "project": "gigs",
        "voucher": voucher["id"],
        "kind": "created",
        "actor": ACTOR,
        "from": None,
        "to": None,
        "codes": None,
        "generation": None,
        "code": None,
        "at": voucher["createdAt"],
    }
    assert first["id"].startswith("cha_")
    added = add_codes(voucher, {"code": "A-1"}, {"code": "A-2"})
    generation = call("vouchers.generate_codes", voucher=voucher["id"], count=3)
    code = call("codes.retire", code=added[0]["id"])
    retired = call("vouchers.retire", voucher=voucher["id"])
    changes = history(voucher["id"])[::-1][1:]
    assert [(each["codes"], each["generation"], each["code"]) for each in changes] == [
        (2, None, None),
        (3, generation["id"], None),
        (None, None, added[0]["id"]),
        (None, None, None),
    ]
    assert [changes[0]["at"], *(each["at"] for each in changes[2:])] == [
        added[0]["createdAt"],
        code["retiredAt"],
        retired["retiredAt"],
    ]
    status = {"status": "retired", "retiredReason": "manualAction", "retiredAt": retired["retiredAt"]}
    assert (changes[3]["from"], changes[3]["to"]) == (
        {"status": "available", "retiredReason": None, "retiredAt": None},
        status,
    )


def test_an_update_shows_the_fields_that_it_changed():
    """Before and after, as the voucher shows them. A field that was sent with the value that it had is left out."""
    voucher = create_voucher(code="SUMMER", metadata={"internal": True}, restrictions={"maximumRedemptions": 5})
    updated = update(
        voucher["id"],
        name="Ten percent",
        code="Summer",
        metadata={"internal": 1},
        restrictions={"maximumRedemptions": 6},
        priceDiscount=FIXED,
    )
    change = history(voucher["id"])[0]
    names = {"code", "metadata", "priceDiscount", "priceDiscountPercentage"}
    for shown, then, maximum in ((change["from"], voucher, 5), (change["to"], updated, 6)):
        assert shown == {**{name: then[name] for name in names}, "restrictions": {"maximumRedemptions": maximum}}
    assert change["at"] == updated["updatedAt"]


def test_an_update_that_changes_nothing_is_a_change_all_the_same():
    """Somebody has sent it. A refused update and an invalid one are none."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 5})["id"]
    redeem(voucher=voucher)
    update(voucher, actor=ACTOR, name="Ten percent")
    assert update(voucher, priceDiscount=FIXED)["outcome"] == "refused"
    with pytest.raises(InvalidRequest):
        update(voucher, restrictions={"startsAt": LATER, "expiresAt": FUTURE})
    newest, *earlier = history(voucher)
    assert (newest["from"], newest["to"], newest["actor"], len(earlier)) == ({}, {}, ACTOR, 1)


@pytest.mark.parametrize(
    ("retired", "reason"), [(by_hand, "manualAction"), (expired, "expired"), (full, "maxRedemptionsReached")]
)
def test_the_history_tells_why_a_voucher_is_retired(retired, reason):
    """No operator caused it if the voucher expired or is full. Retiring it again by hand changes nothing."""
    voucher = retired()
    shown = retrieve(voucher)
    call("vouchers.retire", voucher=voucher, actor=ACTOR)
    (change,) = [each for each in history(voucher) if each["kind"] == "retired"]
    assert (change["actor"], change["at"]) == (None, shown["retiredAt"])
    assert change["to"] == {"status": "retired", "retiredReason": reason, "retiredAt": shown["retiredAt"]}


def test_an_expired_voucher_that_nobody_has_swept_expires_when_it_is_retired_by_hand():
    """The history says so, as the voucher does."""
    voucher = create_voucher(restrictions={"expiresAt": PAST})["id"]
    call("vouchers.retire", voucher=voucher, actor=ACTOR)
    assert sorted(told(voucher)) == [("created", None), ("retired", None)]


def test_an_update_that_makes_a_voucher_available_again_tells_of_the_retirement():
    """The retirement itself is no longer shown, because it no longer holds."""
    voucher = expired()
    before = retrieve(voucher)
    update(voucher, restrictions={"expiresAt": FUTURE}, actor=ACTOR)
    assert told(voucher) == [("created", None), ("updated", ACTOR)]
    change = history(voucher)[0]
    status = {name: before[name] for name in ("status", "retiredReason", "retiredAt")}
    assert change["from"] == {"restrictions": {"expiresAt": PAST}, **status}
    assert (change["to"]["status"], change["to"]["retiredAt"]) == ("available", None)


def test_the_formats_of_other_systems_have_no_actor():
    """Their changes are in the history all the same."""
    price = {"name": "Basic", "priceDiscountPercentage": 10, "recurrence": {"type": "forever"}}
    voucher = call("gigs.vouchers.create", **price)["id"]
    call("gigs.vouchers.retire", voucher=voucher)
    assert told(voucher) == [("created", None), ("retired", None)]
    with pytest.raises(InvalidRequest):
        call("gigs.vouchers.retire", voucher=voucher, actor=ACTOR)


def test_pages_lead_through_the_history_in_both_directions():
    """The retirement of a full voucher has its place among the changes, though no row tells it."""
    voucher = full()
    for number in range(5):
        update(voucher, name=f"Name {number}")
    every = history(voucher)
    assert [each["kind"] for each in every] == ["updated"] * 5 + ["retired", "created"]
    for limit in (1, 2, 3, 7):
        pages = pages_forward("vouchers.history", voucher=voucher, limit=limit)
        assert [each for page in pages for each in page] == every
    back = pages_backward("vouchers.history", voucher=voucher, limit=2, before=every[-1]["id"])
    assert [each for page in back[::-1] for each in page] == every[:-1]


def test_a_voucher_that_is_retired_during_the_read_is_retired_or_not():
    """Its row and its changes are of the same instant."""
    voucher = create_voucher()["id"]
    with meanwhile(partial(call, "vouchers.retire", voucher=voucher), before="FROM voucher_changes"):
        assert [each["kind"] for each in history(voucher)] == ["created"]
    assert history(voucher)[0]["to"]["retiredReason"] == "manualAction"


def test_the_history_of_an_unknown_voucher_is_not_found():
    """Nor is that of another project's voucher."""
    voucher = create_voucher()["id"]
    for body in ({"project": "gigs", "voucher": UNKNOWN}, {"project": "other", "voucher": voucher}):
        with pytest.raises(NotFound, match="voucher"):
            task_named("vouchers.history")(request=body)


@pytest.mark.parametrize("actor", BAD_ACTORS)
def test_a_bad_actor_is_refused_by_every_write(actor):
    """Empty, too long, with a NUL character, or no text. Nothing is written."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP"})
    bodies = {
        "vouchers.create": voucher_body(),
        "vouchers.update": {"voucher": voucher["id"], "name": "New"},
        "vouchers.add_codes": {"voucher": voucher["id"], "codes": [{"code": "NEW"}]},
        "vouchers.generate_codes": {"voucher": voucher["id"], "count": 1},
        "codes.retire": {"code": code["id"]},
        "vouchers.retire": {"voucher": voucher["id"]},
        "discounts.end": {"discount": UNKNOWN.replace("vou", "dis")},
        "subscriptions.end": {"subscription": "sub_1"},
        "billing.reverse": {"invoice": "inv_1", "kind": "voided"},
    }
    before = history(voucher["id"])
    for task, body in bodies.items():
        with pytest.raises(InvalidRequest) as refused:
            call(task, **body, actor=actor)
        assert [each["field"] for each in refused.value.errors] == ["actor"], task
    assert history(voucher["id"]) == before


def test_a_read_takes_no_actor():
    """Nothing would come of it."""
    voucher = create_voucher()["id"]
    for task in ("vouchers.retrieve", "vouchers.history"):
        with pytest.raises(InvalidRequest):
            call(task, voucher=voucher, actor=ACTOR)
