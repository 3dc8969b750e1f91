"""Repeated updates: the first answer is replayed, and another body is a conflict."""

from typing import Any

import pytest

from tasks.vouchers.messages import UpdateVoucher
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from tests.vouchers.calls import MONTHS, retrieve, update

pytestmark = pytest.mark.usefixtures("database")


def test_an_older_update_that_is_sent_again_changes_nothing_and_is_answered_as_then():
    """A newer update came in between."""
    voucher = create_voucher()["id"]
    older = update(voucher, name="older", requestId="r1")
    newer = update(voucher, name="newer", requestId="r2")
    assert update(voucher, name="older", requestId="r1") == older
    assert retrieve(voucher) == newer


def test_an_older_update_that_is_delivered_again_changes_nothing_and_is_answered_as_then():
    """Without a request id, a redelivery is recognised by the task id."""
    voucher = create_voucher()["id"]

    def deliver(name: str, *, task_id: str) -> dict[str, Any]:
        body = {"project": "gigs", "voucher": voucher, "name": name}
        answer: dict[str, Any] = task_named("vouchers.update").apply(kwargs={"request": body}, task_id=task_id).get()
        return answer

    older = deliver("older", task_id="t1")
    newer = deliver("newer", task_id="t2")
    assert deliver("older", task_id="t1") == older
    assert retrieve(voucher) == newer


def test_an_answer_is_replayed_where_the_update_would_be_invalid_by_now():
    """There are more redemptions now than its limit allows, and its code belongs to another voucher."""
    voucher = create_voucher(code="SUMMER")["id"]
    fields = {"code": "WINTER", "restrictions": {"maximumRedemptions": 1}, "requestId": "r1"}
    first = update(voucher, **fields)
    update(voucher, code=None, restrictions={"maximumRedemptions": None})
    create_voucher(code="WINTER")
    redeem(voucher=voucher), redeem(voucher=voucher)
    assert update(voucher, **fields) == first


@pytest.mark.parametrize("other", [{"name": "other"}, {"code": None}, {"restrictions": {"maximumRedemptions": None}}])
def test_the_same_request_id_with_another_body_is_refused_and_the_first_stands(other):
    """Null and a field that is left out make different bodies."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 3})["id"]
    first = update(voucher, requestId="r1", name="first")
    assert update(voucher, requestId="r1", **{"name": "first", **other}) == {
        "object": "voucher",
        "id": voucher,
        "project": "gigs",
        "requestId": "r1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert retrieve(voucher) == first


def test_a_request_id_names_one_voucher():
    """The same change of another voucher is another body, even if that voucher does not exist."""
    one, other = create_voucher()["id"], create_voucher()["id"]
    update(one, requestId="r1", name="n")
    for each in (other, "vou_01m802aq92e78rshs8mnssdx40"):
        assert update(each, requestId="r1", name="n")["reason"] == "idempotency_conflict"
    assert retrieve(other)["name"] != "n"


def test_a_request_id_of_a_creation_is_none_of_an_update():
    """Each task has its own request ids."""
    voucher = create_voucher(requestId="r1")["id"]
    assert update(voucher, requestId="r1", name="n")["name"] == "n"


def test_fingerprints_stay_what_they_were_when_they_were_stored():
    """Bodies with the same meaning have the same fingerprint. Null and a field that is left out differ in meaning."""
    body = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40", "requestId": "r1"}
    full_body = {
        **body,
        "name": "n",
        "code": None,
        "priceDiscount": {"amount": 1, "currency": "USD"},
        "recurrence": MONTHS,
        "restrictions": {"expiresAt": None, "maximumRedemptions": 3, "products": ["a"]},
        "metadata": {"a": 1},
    }
    spelt = full_body | {"recurrence": {"duration_in_months": 3, "type": "repeating"}}
    first, again, pinned = (UpdateVoucher.model_validate(each).fingerprint() for each in (body, body, full_body))
    assert UpdateVoucher.model_validate(spelt).fingerprint() == pinned
    assert first == again
    nulls: list[dict[str, Any]] = [
        {"code": None},
        {"restrictions": {"expiresAt": None}},
        {"restrictions": {"startsAt": None}},
    ]
    prints = {UpdateVoucher.model_validate(body | each).fingerprint() for each in [{}, *nulls]}
    assert len(prints) == 4
    assert pinned.hex() == "54c00b28b2ab75fdd0c6658b6c410bb4cca42648cfdf0b648d3433681a3bacd3"
