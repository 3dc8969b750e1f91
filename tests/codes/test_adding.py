"""Add codes to a voucher."""

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.codes.calls import LONG_AGO, listed, set_voucher
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

LIMITS = ("maximumRedemptions", "maximumRedemptionsPerCustomer", "expiresAt")
BAD_LIMITS = {"maximumRedemptions": 0, "expiresAt": "2026-01-01T00:00:00", "customer": ""}
UNKNOWN_CODE = "voc_01m802aq92e78rshs8mnssdx40"


def test_a_code_is_answered_with_every_field():
    """The primary code is listed too, and was created with the voucher."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 9, "expiresAt": "2099-05-01T00:00:00Z"})
    limits = {
        "maximumRedemptions": 2,
        "maximumRedemptionsPerCustomer": 1,
        "expiresAt": "2099-01-01T02:00:00+02:00",
        "customer": "cus_1",
    }
    (added,) = add_codes(voucher, {"code": " Vip-1 ", **limits})
    assert added["id"].startswith("voc_")
    assert added["createdAt"].endswith("Z")
    assert added == {
        "object": "code",
        "id": added["id"],
        "project": "gigs",
        "voucher": voucher["id"],
        "code": "Vip-1",
        "createdAt": added["createdAt"],
        "updatedAt": None,
        "customer": "cus_1",
        "maximumRedemptions": 2,
        "maximumRedemptionsPerCustomer": 1,
        "expiresAt": "2099-01-01T00:00:00Z",
        "redemptions": 0,
        "status": "available",
        "retiredReason": None,
        "retiredAt": None,
    }
    own = {**added, "id": "voc_" + voucher["id"][4:], "code": "SUMMER", "createdAt": voucher["createdAt"]}
    assert listed(voucher) == [added, {**own, "customer": None, **dict.fromkeys(LIMITS)}]


def test_adding_is_all_or_nothing_and_every_bad_code_is_named():
    """A text is taken, two limits exceed the voucher's, and an end is before the voucher's start."""
    restrictions = {"startsAt": "2026-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "maximumRedemptions": 5}
    restrictions["maximumRedemptionsPerCustomer"] = 3
    voucher, other = create_voucher(restrictions=restrictions), create_voucher(code="TAKEN")
    with pytest.raises(InvalidRequest) as refused:
        add_codes(
            voucher,
            {"code": "GOOD"},
            {"code": "taken"},
            {"code": "MANY", "maximumRedemptions": 6, "expiresAt": "2099-01-01T00:00:01Z"},
            {"code": "EARLY", "expiresAt": "2026-01-01T00:00:00Z"},
            {"code": "EACH", "maximumRedemptionsPerCustomer": 4},
        )
    assert [error["field"] for error in refused.value.errors] == [
        "codes.1.code",
        "codes.2.maximumRedemptions",
        "codes.2.expiresAt",
        "codes.3.expiresAt",
        "codes.4.maximumRedemptionsPerCustomer",
    ]
    assert "TAKEN" not in str(refused.value).upper()
    assert listed(voucher) == []
    assert len(listed(other)) == 1


def test_a_retired_voucher_keeps_its_texts_from_itself():
    """A code that the voucher already has cannot be added again."""
    voucher = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    with pytest.raises(InvalidRequest):
        add_codes(voucher, {"code": "summer"})
    (added,) = add_codes(voucher, {"code": "VIP"})
    assert (added["status"], added["retiredReason"]) == ("retired", "voucherManuallyRetired")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"codes": []}, ["codes"]),
        (
            {"codes": [{"code": "abc", **BAD_LIMITS, "extra": 1}, {"code": "ab"}], "voucher": "vou_1"},
            ["voucher", *(f"codes.0.{name}" for name in BAD_LIMITS), "codes.0.?", "codes.1.code"],
        ),
        ({"codes": [{"code": "SAME"}, {"code": "same"}]}, ["codes"]),
        ({"codes": [{"code": f"C-{index}"} for index in range(1001)]}, ["codes"]),
    ],
)
def test_bad_input_names_every_bad_field_and_writes_nothing(body, fields):
    """The errors never show a value."""
    voucher = create_voucher()
    with pytest.raises(InvalidRequest) as refused:
        task_named("vouchers.add_codes")(request={"project": "gigs", "voucher": voucher["id"], **body})
    assert [error["field"] for error in refused.value.errors] == fields
    assert listed(voucher) == []


def test_the_same_request_id_adds_once_and_another_body_is_a_conflict():
    """A replay changes nothing, even if the voucher has expired since."""
    voucher = create_voucher()
    body = {"project": "gigs", "voucher": voucher["id"], "requestId": "r1", "codes": [{"code": "VIP"}]}
    first = task_named("vouchers.add_codes")(request=body)
    redeem(code="VIP")
    set_voucher(voucher, "expires_at = now() - interval '1 hour'")
    assert task_named("vouchers.add_codes")(request=body) == first
    conflict = task_named("vouchers.add_codes")(request={**body, "codes": [{"code": "OTHER"}]})
    assert conflict == {
        "object": "list",
        "project": "gigs",
        "requestId": "r1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    set_voucher(voucher, "expires_at = NULL")
    assert [(code["code"], code["status"]) for code in listed(voucher)] == [("VIP", "available")]


def test_an_addition_without_a_request_id_is_done_once_for_each_message():
    """A redelivery has the same task id."""
    voucher = create_voucher()
    body = {"project": "gigs", "voucher": voucher["id"], "codes": [{"code": "VIP"}]}
    first, again = (
        task_named("vouchers.add_codes").apply(kwargs={"request": body}, task_id="delivered-twice").get()
        for _ in range(2)
    )
    assert again == first
    with pytest.raises(InvalidRequest):
        task_named("vouchers.add_codes").apply(kwargs={"request": body}, task_id="another").get()


def test_replaying_the_creation_of_an_expired_voucher_takes_nothing_from_it():
    """The code becomes available together with the voucher."""
    body = {"restrictions": {"expiresAt": LONG_AGO}, "code": "SUMMER", "requestId": "r1"}
    voucher = create_voucher(**body)
    assert create_voucher(**body) == voucher
    set_voucher(voucher, "expires_at = NULL, retired_reason = NULL, retired_at = NULL")
    assert redeem(code="SUMMER")["outcome"] == "accepted"


def test_the_smaller_limit_is_shown_where_the_vouchers_was_lowered():
    """A code without own limits shows none."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 8, "expiresAt": "2099-01-01T00:00:00Z"})
    set_voucher(voucher, "maximum_redemptions = 5, expires_at = '2098-01-01T00:00:00Z'")
    limits = [(each["maximumRedemptions"], each["expiresAt"]) for each in listed(voucher)]
    assert limits == [(5, "2098-01-01T00:00:00Z"), (None, None)]


def test_what_does_not_exist_is_not_found():
    """Nor is a code of another project."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP"})
    for project, id_ in (("gigs", UNKNOWN_CODE), ("other", code["id"])):
        with pytest.raises(NotFound):
            task_named("codes.retire")(request={"project": project, "code": id_})
    with pytest.raises(NotFound):
        add_codes({**voucher, "project": "other"}, {"code": "VIP"})
    with pytest.raises(NotFound):
        listed({**voucher, "project": "other"})
