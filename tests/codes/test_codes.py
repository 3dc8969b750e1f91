"""Codes: added to a voucher, judged by themselves, retired with it or alone, and listed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.eligibility import Refusal
from tasks.sweeps.expiry import sweep_all
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

LONG_AGO = "2026-01-01T00:00:00Z"
FULL = "maximum_redemptions = 1, retired_reason = 'maxRedemptionsReached', retired_at = now()"
BAD_LIMITS = {"maximumRedemptions": 0, "expiresAt": "2026-01-01T00:00:00", "customer": "", "extra": 1}
UNKNOWN_CODE = "voc_01m802aq92e78rshs8mnssdx40"


def in_minutes(minutes: float) -> str:
    """This function will return the instant so many minutes ahead."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def listed(voucher: dict, **fields) -> list[dict]:
    """This function will return all codes of a voucher, whatever their status, newest first."""
    body = {"status": ["available", "retired"], "limit": 200, **fields}
    items: list[dict] = task_named("codes.list")(
        request={"project": voucher["project"], "voucher": voucher["id"], **body}
    )["items"]
    return items


def retire(code: dict) -> dict:
    """This function will retire a code by hand."""
    answer: dict = task_named("codes.retire")(request={"project": code["project"], "code": code["id"]})
    return answer


def why(code: dict) -> tuple[str, str | None]:
    """This function will return the status of a code as it is listed now, and why it was retired."""
    voucher = {"project": code["project"], "id": code["voucher"]}
    (now,) = [each for each in listed(voucher) if each["id"] == code["id"]]
    return now["status"], now["retiredReason"]


def set_voucher(voucher: dict, assignment: str) -> None:
    """This function will change a voucher's row."""
    with transaction() as session:
        statement = f"UPDATE vouchers SET {assignment} WHERE name = :name"  # noqa: S608 - the tests' own words
        session.execute(text(statement), {"name": voucher["name"]})


def test_a_code_is_answered_with_every_field():
    """As it was given; the voucher's own is listed beside it, and was made with it."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 9, "expiresAt": "2099-05-01T00:00:00Z"})
    limits = {"maximumRedemptions": 2, "expiresAt": "2099-01-01T02:00:00+02:00", "customer": "cus_1"}
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
        "customer": "cus_1",
        "maximumRedemptions": 2,
        "expiresAt": "2099-01-01T00:00:00Z",
        "redemptions": 0,
        "status": "available",
        "retiredReason": None,
        "retiredAt": None,
    }
    own = {**added, "id": "voc_" + voucher["id"][4:], "code": "SUMMER", "createdAt": voucher["createdAt"]}
    assert listed(voucher) == [added, {**own, "customer": None, "maximumRedemptions": None, "expiresAt": None}]


def test_a_voucher_is_redeemed_by_each_of_its_codes_and_each_is_counted_by_itself():
    """The answer shows the code that was named; by the voucher's id it is the voucher's own, and no code counts."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "Vip-1"}, {"code": "Vip-2"})
    shown = [redeem(code=code)["code"] for code in ("vip-1", "VIP-2", "vip-1", "summer")]
    assert shown == ["Vip-1", "Vip-2", "Vip-1", "SUMMER"]
    by_id = redeem(voucher=voucher["id"])
    assert (by_id["code"], by_id["redemptionNumber"]) == ("SUMMER", 5)
    assert {code["code"]: code["redemptions"] for code in listed(voucher)} == {"Vip-1": 2, "Vip-2": 1, "SUMMER": 1}


def test_each_reason_for_a_code_is_answered_in_the_order_of_precedence():
    """Each code breaks its rule and every later one."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 9, "products": ["prod_a"]})
    late = {"expiresAt": LONG_AGO, "customer": "cus_vip"}
    retired, *_ = add_codes(
        voucher,
        {"code": "RETIRED", "expiresAt": in_minutes(60), "customer": "cus_vip"},
        {"code": "EXPIRED", **late},
        {"code": "FULL", "maximumRedemptions": 1, "customer": "cus_vip"},
        {"code": "ANOTHERS", "customer": "cus_vip"},
        {"code": "FREE"},
    )
    retire(retired)
    assert redeem(code="FULL", customer="cus_vip", products=["prod_a"])["outcome"] == "accepted"
    reasons = [redeem(code=code)["reason"] for code in ("RETIRED", "EXPIRED", "FULL", "ANOTHERS", "FREE")]
    assert reasons == [*(reason.value for reason in Refusal if reason.startswith("code_")), "product_not_eligible"]


@pytest.mark.parametrize(
    ("breaking", "before", "after"),
    [
        ("retired_reason = 'manualAction', retired_at = now()", "voucher_retired", "voucher_retired"),
        ("starts_at = now() + interval '1 day'", "code_retired", "voucher_not_started"),
        ("expires_at = now() - interval '1 day'", "code_retired", "voucher_expired"),
        (FULL, "code_retired", "code_expired"),
    ],
)
def test_a_codes_reasons_stand_among_its_vouchers(breaking, before, after):
    """A code retired by hand, and one that has expired, of a voucher that breaks another rule."""
    voucher = create_voucher()
    retired, _ = add_codes(voucher, {"code": "RETIRED"}, {"code": "EXPIRED", "expiresAt": LONG_AGO})
    retire(retired)
    redeem(voucher=voucher["id"])
    set_voucher(voucher, breaking)
    assert [redeem(code=code)["reason"] for code in ("RETIRED", "EXPIRED")] == [before, after]
    set_voucher(voucher, "starts_at = NULL, expires_at = NULL")


def test_the_customers_own_instant_counts_for_a_codes_end():
    """A request that waited for less than 15 minutes; whether a sweep came first does not matter."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP", "expiresAt": in_minutes(-5)})
    assert redeem(code="VIP", requestedAt=in_minutes(-10))["outcome"] == "accepted"
    task_named("expiry.sweep")(request={})
    assert why(code) == ("retired", "expired")
    assert redeem(code="VIP", requestedAt=in_minutes(-10))["outcome"] == "accepted"
    assert redeem(code="VIP", requestedAt=in_minutes(-20))["reason"] == "code_expired"


def test_the_redemption_that_fills_a_code_retires_it_and_its_text_is_free():
    """In the same transaction, at the instant of the decision; the voucher goes on."""
    voucher, other = create_voucher(), create_voucher()
    (code,) = add_codes(voucher, {"code": "ONCE", "maximumRedemptions": 1})
    requests = [redemption(code="once") for _ in range(3)]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [item["reason"] for item in items] == [None, *["code_max_redemptions_reached"] * 2]
    (full,) = listed(voucher)
    assert (full["retiredReason"], full["retiredAt"]) == ("maxRedemptionsReached", items[0]["decidedAt"])
    assert redeem(voucher=voucher["id"])["outcome"] == "accepted"
    assert why(code) == ("retired", "maxRedemptionsReached")
    add_codes(other, {"code": "ONCE"})
    assert redeem(code="ONCE")["voucher"] == other["id"]


def test_the_same_redemption_again_counts_once():
    """Also after its code was retired."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP", "maximumRedemptions": 5})
    request = redemption(code="VIP")
    first = task_named("redemptions.redeem")(request=request)
    retire(code)
    assert task_named("redemptions.redeem")(request=request) == first
    assert listed(voucher)[0]["redemptions"] == 1


@pytest.mark.parametrize(
    ("retirement", "reason"),
    [
        ("retired_reason = 'manualAction', retired_at = now()", "voucherManuallyRetired"),
        ("retired_reason = 'expired', retired_at = now()", "voucherExpired"),
        ("retired_reason = 'maxRedemptionsReached', retired_at = now()", "voucherMaxRedemptionsReached"),
    ],
)
def test_a_vouchers_retirement_is_its_codes_until_it_comes_back(retirement, reason):
    """Nothing is written into them; one that was retired by itself before says so and does not come back."""
    voucher = create_voucher(code="SUMMER")
    by_hand, _ = add_codes(voucher, {"code": "HAND"}, {"code": "VIP"})
    retire(by_hand)
    set_voucher(voucher, retirement)
    assert [each["retiredReason"] for each in listed(voucher)] == [reason, "manualAction", reason]
    assert [each["status"] for each in listed(voucher, status=["retired"])] == ["retired"] * 3
    assert listed(voucher, status=["available"]) == []
    set_voucher(voucher, "retired_reason = NULL, retired_at = NULL")
    assert [each["retiredReason"] for each in listed(voucher)] == [None, "manualAction", None]
    assert redeem(code="VIP")["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ("expires_at = now() - interval '1 hour'", "voucherExpired"),
        ("retired_reason = 'expired', retired_at = now()", "voucherExpired"),
        ("retired_reason = 'manualAction', retired_at = now()", "voucherManuallyRetired"),
        ("retired_reason = 'maxRedemptionsReached', retired_at = now()", "voucherMaxRedemptionsReached"),
    ],
)
def test_whoever_wants_a_text_takes_it_from_a_voucher_that_is_over(over, reason):
    """The code that lost it says why, and stays so when its voucher comes back; its other codes come back."""
    old = create_voucher(name="old")
    lost, kept = add_codes(old, {"code": "VIP"}, {"code": "KEPT"})
    set_voucher(old, over)
    new = create_voucher(name="new")
    add_codes(new, {"code": "vip"})
    assert redeem(code="VIP")["voucher"] == new["id"]
    set_voucher(old, "retired_reason = NULL, retired_at = NULL, expires_at = NULL")
    assert [why(lost), why(kept)] == [("retired", reason), ("available", None)]
    assert redeem(code="VIP")["voucher"] == new["id"]
    assert redeem(code="KEPT")["voucher"] == old["id"]


@pytest.mark.parametrize("swept", [True, False])
def test_whoever_wants_a_text_takes_it_from_a_code_that_has_expired(swept):
    """Swept or not; a voucher takes its own as well, and a new voucher may have it for its own."""
    voucher = create_voucher()
    (old,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    if swept:
        task_named("expiry.sweep")(request={})
    (again,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    assert why(old) == ("retired", "expired")
    assert create_voucher(code="vip")["code"] == "vip"
    assert listed(voucher)[0] == {**again, "status": "retired", "retiredReason": "expired", "retiredAt": LONG_AGO}
    assert (
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["status"] == "available"
    )


@pytest.mark.parametrize("swept", [False, True])
def test_a_text_names_the_last_code_that_held_it_swept_or_not(swept):
    """A retired voucher may show a text that another voucher's code holds; when that one ends, it inherits nothing."""
    holder, other = create_voucher(), create_voucher()
    add_codes(holder, {"code": "LAUNCH", "expiresAt": in_minutes(60)})
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": other["id"]})
    task_named("vouchers.update")(request={"project": "gigs", "voucher": other["id"], "code": "LAUNCH"})
    requested_at = datetime.now(UTC).isoformat()
    with transaction() as session:
        session.execute(text("UPDATE codes SET expires_at = clock_timestamp() WHERE retired_reason IS NULL"))
    if swept:
        assert task_named("expiry.sweep")(request={})["codesExpired"] == 1
    answer = redeem(code="launch", requestedAt=requested_at)
    assert (answer["reason"], answer["voucher"]) == (None, holder["id"])
    assert redeem(code="launch")["reason"] == "code_expired"


def test_adding_is_all_or_nothing_and_every_bad_code_is_named():
    """A text that is held, limits above the voucher's, an end before its start."""
    restrictions = {"startsAt": "2026-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "maximumRedemptions": 5}
    voucher, other = create_voucher(restrictions=restrictions), create_voucher(code="TAKEN")
    with pytest.raises(InvalidRequest) as refused:
        add_codes(
            voucher,
            {"code": "GOOD"},
            {"code": "taken"},
            {"code": "MANY", "maximumRedemptions": 6, "expiresAt": "2099-01-01T00:00:01Z"},
            {"code": "EARLY", "expiresAt": "2026-01-01T00:00:00Z"},
        )
    assert [error["field"] for error in refused.value.errors] == [
        "codes.1.code",
        "codes.2.maximumRedemptions",
        "codes.2.expiresAt",
        "codes.3.expiresAt",
    ]
    assert "TAKEN" not in str(refused.value).upper()
    assert listed(voucher) == []
    assert len(listed(other)) == 1


def test_a_retired_voucher_keeps_its_texts_from_itself():
    """A code that it has already is not added to it a second time."""
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
            {"codes": [{"code": "abc", **BAD_LIMITS}, {"code": "ab"}], "voucher": "vou_1"},
            ["voucher", *(f"codes.0.{name}" for name in BAD_LIMITS), "codes.1.code"],
        ),
        ({"codes": [{"code": "SAME"}, {"code": "same"}]}, ["codes"]),
        ({"codes": [{"code": f"C-{index}"} for index in range(1001)]}, ["codes"]),
    ],
)
def test_bad_input_names_every_bad_field_and_writes_nothing(body, fields):
    """And never says what was sent."""
    voucher = create_voucher()
    with pytest.raises(InvalidRequest) as refused:
        task_named("vouchers.add_codes")(request={"project": "gigs", "voucher": voucher["id"], **body})
    assert [error["field"] for error in refused.value.errors] == fields
    assert listed(voucher) == []


def test_the_same_request_id_adds_once_and_another_body_is_a_conflict():
    """Whatever has happened since, also when the voucher has expired: a redelivery changes nothing."""
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
    """The task's own id stays the same when it is delivered again."""
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
    """Its code comes back with it."""
    body = {"restrictions": {"expiresAt": LONG_AGO}, "code": "SUMMER", "requestId": "r1"}
    voucher = create_voucher(**body)
    assert create_voucher(**body) == voucher
    set_voucher(voucher, "expires_at = NULL, retired_reason = NULL, retired_at = NULL")
    assert redeem(code="SUMMER")["outcome"] == "accepted"


def test_retiring_a_code_ends_it_alone_and_twice_changes_nothing():
    """The first reason and instant stay; what it granted runs on, and its voucher too."""
    voucher = create_voucher(code="SUMMER")
    (code,) = add_codes(voucher, {"code": "VIP"})
    redeem(code="VIP")
    retired = retire(code)
    assert (retired["status"], retired["retiredReason"], retired["redemptions"]) == ("retired", "manualAction", 1)
    assert retire(code) == retired == listed(voucher)[0]
    assert redeem(code="VIP")["reason"] == "code_retired"
    assert redeem(code="SUMMER")["outcome"] == "accepted"


def test_retiring_what_has_expired_keeps_that_reason_and_a_vouchers_own_code_can_be_retired():
    """As if the sweep had come first; whoever names the voucher redeems it still."""
    voucher = create_voucher(code="SUMMER")
    (expired,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    assert (retire(expired)["retiredReason"], retire(expired)["retiredAt"]) == ("expired", LONG_AGO)
    own = listed(voucher)[1]
    assert retire(own)["retiredReason"] == "manualAction"
    assert [redeem(code="SUMMER")["reason"], redeem(voucher=voucher["id"])["reason"]] == ["code_retired", None]


def test_a_code_retired_by_hand_stays_so_when_its_voucher_comes_back():
    """Though it was retired with it at the time."""
    voucher = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    (own,) = listed(voucher)
    assert own["retiredReason"] == "voucherManuallyRetired"
    assert retire(own)["retiredReason"] == "manualAction"
    set_voucher(voucher, "retired_reason = NULL, retired_at = NULL")
    assert redeem(code="SUMMER")["reason"] == "code_retired"


def test_a_code_that_lost_its_text_and_was_then_retired_by_hand_does_not_come_back():
    """Its voucher comes back without it, and the text stays with whoever has it since."""
    voucher = create_voucher(code="SUMMER", restrictions={"expiresAt": LONG_AGO})
    newer = create_voucher(code="SUMMER")
    (own,) = listed(voucher)
    assert own["retiredReason"] == "voucherExpired"
    assert (retire(own)["retiredReason"], retire(own)["retiredReason"]) == ("manualAction", "manualAction")
    body = {"project": "gigs", "voucher": voucher["id"], "restrictions": {"expiresAt": None}}
    assert task_named("vouchers.update")(request=body)["status"] == "available"
    assert why(own) == ("retired", "manualAction")
    assert redeem(code="SUMMER")["voucher"] == newer["id"]


def test_the_smaller_limit_is_shown_where_the_vouchers_was_lowered():
    """A code without limits of its own shows none."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 8, "expiresAt": "2099-01-01T00:00:00Z"})
    set_voucher(voucher, "maximum_redemptions = 5, expires_at = '2098-01-01T00:00:00Z'")
    limits = [(each["maximumRedemptions"], each["expiresAt"]) for each in listed(voucher)]
    assert limits == [(5, "2098-01-01T00:00:00Z"), (None, None)]


def test_what_does_not_exist_is_not_found():
    """Nor what belongs to another project."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP"})
    for project, id_ in (("gigs", UNKNOWN_CODE), ("other", code["id"])):
        with pytest.raises(NotFound):
            task_named("codes.retire")(request={"project": project, "code": id_})
    with pytest.raises(NotFound):
        add_codes({**voucher, "project": "other"}, {"code": "VIP"})
    with pytest.raises(NotFound):
        listed({**voucher, "project": "other"})


def test_codes_are_listed_newest_first_in_pages_in_both_directions():
    """Of one status or of both; the cursors say whether more follow or precede."""
    voucher = create_voucher()
    every = add_codes(voucher, *({"code": f"CODE-{index}"} for index in range(9)))[::-1]
    for index in (1, 2, 5):
        retire(every[index])
    ids = [each["id"] for each in every]
    chosen = {("available", "retired"): ids, ("retired",): [ids[1], ids[2], ids[5]]}
    chosen["available",] = [each for each in ids if each not in chosen["retired",]]
    for status, expected in chosen.items():
        for limit in (1, 2, 4, 9):
            assert paged(voucher, "after", status=list(status), limit=limit) == expected
            assert paged(voucher, "before", status=list(status), limit=limit) == expected
    assert page(voucher) == ([*chosen["available",]], None, None)


def page(voucher: dict, **fields) -> tuple[list[str], str | None, str | None]:
    """This function will return the ids of a page and its cursors."""
    answer = task_named("codes.list")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    assert answer["object"] == "list"
    return [each["id"] for each in answer["items"]], answer["moreItemsAfter"], answer["moreItemsBefore"]


def paged(voucher: dict, direction: str, **fields) -> list[str]:
    """This function will return the ids of all pages, from the first one on or from the last one back."""
    cursor = None if direction == "after" else "voc_00000000000000000000000000"
    found: list[str] = []
    while True:
        ids, after, before = page(voucher, **({direction: cursor} if cursor else {}), **fields)
        found = found + ids if direction == "after" else ids + found
        cursor = after if direction == "after" else before
        if cursor is None:
            return found


def test_a_page_of_nothing_is_an_empty_list():
    """A limit of 0, a voucher without codes; both cursors at once are refused."""
    voucher = create_voucher(code="SUMMER")
    assert page(voucher, limit=0) == ([], None, None)
    assert page(create_voucher()) == ([], None, None)
    with pytest.raises(InvalidRequest) as refused:
        page(voucher, after=UNKNOWN_CODE, before=UNKNOWN_CODE, limit=201)
    assert [error["field"] for error in refused.value.errors] == ["before", "limit"]


def test_a_sweep_retires_codes_that_have_expired_and_leaves_the_others():
    """With the instant of their end, in bounded batches; once."""
    voucher = create_voucher()
    due = [{"code": f"DUE-{index}", "expiresAt": LONG_AGO} for index in range(5)]
    added = add_codes(voucher, {"code": "OPEN"}, {"code": "LATER", "expiresAt": in_minutes(5)}, *due)
    assert sweep_all(batch_size=2)["codesExpired"] == 5
    assert task_named("expiry.sweep")(request={})["codesExpired"] == 0
    statuses = [(each["status"], each["retiredAt"]) for each in listed(voucher)]
    assert statuses == [("retired", LONG_AGO)] * 5 + [("available", None)] * 2
    assert [each["retiredReason"] for each in listed(voucher, status=["retired"])] == ["expired"] * 5
    assert added[0]["status"] == "available"


def test_a_sweep_retires_what_is_full_and_leaves_a_code_that_somebody_holds():
    """Redeeming retires a full code by itself: this is for what an import left, say."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "FULL", "maximumRedemptions": 1})
    redeem(code="FULL")
    with transaction() as session:
        session.execute(text("UPDATE codes SET retired_reason = NULL, retired_at = NULL"))
    with transaction() as holder:
        holder.execute(text("SELECT 1 FROM codes FOR NO KEY UPDATE"))
        assert task_named("expiry.sweep")(request={})["codesMaxRedemptionsReached"] == 0
    assert task_named("expiry.sweep")(request={})["codesMaxRedemptionsReached"] == 1
    assert listed(voucher)[0]["retiredReason"] == "maxRedemptionsReached"
