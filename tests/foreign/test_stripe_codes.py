"""The code of an imported coupon: its id, the code that the caller gives, or none."""

from hashlib import sha512

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.stripe import import_beside, import_coupon
from tests.support.requests import create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")

# Different characters cannot be compressed, so that the id would be as long in an index.
LONGEST = "".join(chr(0x1F300 + ord(each)) for number in range(79) for each in sha512(b"%d" % number).hexdigest())[
    :5_000
]
NO_CODES = ["ab", " SUMMER", "sümmer", "20 % off, for ever", LONGEST]


@pytest.mark.parametrize("coupon_id", NO_CODES)
def test_a_coupon_whose_id_cannot_be_a_code_has_the_code_that_the_caller_gives(coupon_id):
    """Its id is still the key, so a repetition is the same voucher."""
    first = import_beside({"code": "Summer-20"}, id=coupon_id, name="Summer")
    assert first["code"] == "Summer-20"
    assert import_beside({"code": "Summer-20"}, id=coupon_id, name="Summer") == first
    assert redeem(code="SUMMER-20")["voucher"] == first["id"]


@pytest.mark.parametrize("coupon_id", [*NO_CODES, "SUMMER"])
def test_a_coupon_can_be_imported_without_a_code(coupon_id):
    """Customers redeem it by the id of the voucher, or by codes that are added later."""
    first = import_beside({"code": None}, id=coupon_id, name="Summer")
    assert first["code"] is None
    assert import_beside({"code": None}, id=coupon_id, name="Summer") == first
    assert redeem(voucher=first["id"])["outcome"] == "accepted"
    assert redeem(code="SUMMER", customer="cus_2", subscription="sub_2")["reason"] == "voucher_not_found"


def test_coupons_whose_ids_cannot_be_codes_are_different_vouchers():
    """However much of the beginning they share."""
    ids = [LONGEST[:-1] + "e", LONGEST, LONGEST[:1]]
    assert len({import_beside({"code": None}, id=each, name="Summer")["id"] for each in ids}) == len(ids)


@pytest.mark.parametrize("beside", [{"code": None}, {"code": "OTHER"}, {"code": "JMT0WJUD"}, {"code": "null"}])
def test_another_code_for_the_same_coupon_is_a_conflict(beside):
    """None is another one, and so is one that differs in case."""
    first = import_coupon()
    assert import_beside(beside)["reason"] == "idempotency_conflict"
    assert import_coupon() == import_beside({"code": "jMT0WJUD"}) == first


def test_no_code_and_a_code_that_is_spelt_so_are_different():
    """The codes `null` and `None` are codes."""
    import_beside({"code": None})
    assert {import_beside({"code": each}).get("reason") for each in ("null", "None")} == {"idempotency_conflict"}


def test_a_code_that_another_voucher_has_is_named_as_it_was_sent():
    """The caller can then give another one."""
    create_voucher(code="TAKEN")
    with pytest.raises(InvalidRequest) as refused:
        import_beside({"code": "taken"})
    assert [error["field"] for error in refused.value.errors] == ["code"]
