"""The vouchers of an export are created together, and each has the line that it would have alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.exports.running import json_lines, rows, run
from tests.exports.stripe import coupon
from tests.exports.test_lago import coupon as lago_coupon
from tests.exports.test_polar import discount
from tests.foreign.stripe_promotion_codes import promotion
from tests.support.requests import create_voucher, redeem
from tests.vouchers.calls import PAST, retrieve

pytestmark = pytest.mark.usefixtures("database")

TAKEN = "code: is already the code of a voucher that can still be redeemed"
IDS = [f"{number:08}-0000-4000-8000-{'0' * 12}" for number in range(6)]


def test_each_discount_of_a_batch_has_its_own_line(tmp_path: Path):
    """Valid, a repetition, another body, a code that an earlier one has, a code that is stored, and an invalid one."""
    create_voucher(code="STORED")
    records = [
        discount(IDS[0], code="SUMMER"),
        discount(IDS[0], code="SUMMER"),
        discount(IDS[0], code="SUMMER", name="Other"),
        discount(IDS[1], code="summer"),
        discount(IDS[2], code="stored"),
        discount(IDS[3], basis_points=0),
        discount(IDS[4], code="WINTER"),
    ]
    imported = run("polar", json_lines(tmp_path, records), folder=tmp_path)
    lines = [(each["outcome"], each["reason"]) for each in imported.lines]
    assert lines[:5] == [
        ("imported", ""),
        ("imported", ""),
        ("refused", "idempotency_conflict"),
        ("invalid", TAKEN),
        ("invalid", TAKEN),
    ]
    assert [outcome for outcome, _ in lines[5:]] == ["invalid", "imported"]
    assert imported.lines[0]["importedAs"] == imported.lines[1]["importedAs"] == redeem(code="SUMMER")["voucher"]


def test_a_batch_of_which_half_was_imported_keeps_those(tmp_path: Path):
    """In another order too."""
    records = [discount(each, code=f"CODE{number}") for number, each in enumerate(IDS)]
    half, whole = (
        {each["id"]: each["importedAs"] for each in run("polar", json_lines(tmp_path, some), folder=tmp_path).lines}
        for some in (records[::2], records[::-1])
    )
    assert {each: whole[each] for each in IDS[::2]} == half
    assert (len(set(whole.values())), rows()["vouchers"]) == (len(IDS), len(IDS))


def test_the_code_of_a_coupon_of_the_batch_that_is_over_is_free(tmp_path: Path):
    """The next coupon gets it, and the one after that is refused."""
    over = lago_coupon("SHARED", lago_id="over", terminated_at="2026-01-01T00:00:00Z")
    records = [over, lago_coupon("Shared", lago_id="next"), lago_coupon("SHARED", lago_id="last")]
    imported = run("lago", json_lines(tmp_path, records), folder=tmp_path)
    assert [each["outcome"] for each in imported.lines] == ["imported", "imported", "invalid"]
    assert redeem(code="SHARED")["voucher"] == imported.lines[1]["importedAs"]


def test_a_promotion_code_that_is_refused_takes_no_code_from_another(tmp_path: Path):
    """A voucher that has expired keeps its code, and is not retired, whatever else is in the batch."""
    holder = create_voucher(code="KEPT", restrictions={"expiresAt": PAST})
    named = {"type": "coupon", "coupon": "COUPON"}
    records = [
        coupon("COUPON", max_redemptions=2),
        promotion(id="promo_1", code="NEW", promotion=named, max_redemptions=1),
        promotion(id="promo_2", code="KEPT", promotion=named, max_redemptions=3),
    ]
    imported = run("stripe", json_lines(tmp_path, records), folder=tmp_path)
    assert [each["outcome"] for each in imported.lines] == ["imported", "imported", "invalid"]
    assert retrieve(holder["id"])["retiredReason"] is None


@pytest.mark.parametrize("active", [True, False])
def test_promotion_codes_that_are_over_are_imported_together(tmp_path: Path, active: bool):
    """Each is retired, and their texts stay free."""
    over: dict[str, Any] = {"active": False, "promotion": {"type": "coupon", "coupon": "COUPON"}}
    records = [
        coupon("COUPON"),
        *(promotion(**{**over, "id": f"promo_{each}", "code": f"CODE-{each}"}) for each in range(3)),
        promotion(**{**over, "id": "promo_3", "code": "CODE-1", "active": active}),
    ]
    imported = run("stripe", json_lines(tmp_path, records), folder=tmp_path)
    assert {each["outcome"] for each in imported.lines} == {"imported"}
    reasons = [redeem(code=f"CODE-{each}")["reason"] for each in range(3)]
    assert reasons == ["code_retired", None if active else "code_retired", "code_retired"]
