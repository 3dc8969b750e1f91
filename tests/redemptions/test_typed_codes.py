"""Codes as customers type them: what no code can be is an unknown code, and invisible ends are trimmed."""

import pytest

from tests.support.bad_requests import SECRET, fields_of
from tests.support.holds import reserve, stored, validate
from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# Of four bytes each, as long as a code may be.
LONGEST = "\U0001f381" * 1_000
IMPOSSIBLE = (
    "",
    "K",
    "KI",
    "K IT",
    "KÏT",
    "100%",
    "KIT'; --",
    "K\u200bIT",
    "K\nIT",
    "K\x01IT",
    # The sign for kelvins, a dotted capital I, a dotless i, and wide letters. In lower case the first two are ASCII.
    "\u212aIT",
    "K\u0130T",
    "K\u0131T",
    "\uff2b\uff29\uff34",
    "stra\u00dfe",
    "K" * 257,
    LONGEST,
)
TASKS = (redeem, reserve, validate)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("code", IMPOSSIBLE, ids=ascii)
def test_a_text_that_no_code_can_be_is_an_unknown_code(task, code):
    """The answer shows the text. Neither `KIT` nor `STRASSE` is found by it."""
    create_voucher(code="KIT")
    create_voucher(code="STRASSE")
    answer = task(code=code)
    assert (answer["outcome"], answer["reason"], answer["retryable"]) == ("refused", "voucher_not_found", False)
    assert (answer["voucher"], answer["code"]) == (None, code)


def test_the_codes_of_a_bulk_request_are_decided_one_by_one():
    """An impossible code takes no other request with it."""
    create_voucher(code="KIT")
    requests = [redemption(code=code) for code in (*IMPOSSIBLE, "kit")]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [each["reason"] for each in items] == ["voucher_not_found"] * len(IMPOSSIBLE) + [None]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "ends",
    [
        *[" ", "\t\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2060 \u200d", "\u00ad\u200e"],
        # Marks of direction, as chats and contacts add them, and other characters of no width.
        *["\u202d\u202c", "\u2068\u2069", "\u061c", "\u180e", "\u2061\u2064", "\u034f", "\ufe0f"],
    ],
    ids=ascii,
)
def test_blanks_and_characters_of_no_width_at_the_ends_are_trimmed(task, ends):
    """They come along when a code is copied from a mail."""
    voucher = create_voucher(code="KIT")
    answer = task(code=f"{ends}kit{ends}")
    assert (answer["outcome"], answer["voucher"], answer["code"]) == ("accepted", voucher["id"], "KIT")


def test_an_impossible_code_gets_the_same_answer_for_ever_and_another_one_is_a_conflict():
    """With blanks at the ends it is the same code."""
    for name in ("redemptions.redeem", "redemptions.reserve"):
        task, request = task_named(name), redemption(code="summer sale")
        first = task(request=request)
        assert task(request={**request, "code": " summer sale\u200b"}) == first
        assert task(request={**request, "code": "summer-sale"})["reason"] == "idempotency_conflict"
    assert stored() == ["refused"]


@pytest.mark.parametrize("task", TASKS)
def test_half_of_an_emoji_is_shown_as_the_replacement_character(task):
    """A text field that is cut inside an emoji sends half of a surrogate pair, which no database can store."""
    answer = task(code="gift\ud83c")
    assert (answer["reason"], answer["code"]) == ("voucher_not_found", "gift\ufffd")


@pytest.mark.parametrize("name", ["redemptions.redeem", "redemptions.reserve", "redemptions.validate"])
@pytest.mark.parametrize(
    "code", ["K" * 1_001, f" {LONGEST}", f"{SECRET}\x00", "\x00", 7, ["KIT"]], ids=lambda code: ascii(code)[:9]
)
def test_only_a_longer_text_a_nul_and_another_type_are_bad_fields(name, code):
    """The error does not show the value."""
    assert fields_of(task_named(name), redemption(code=code)) == ["code"]


@pytest.mark.parametrize("code", ["K IT", "KÏT", "KIT\u200b", "KI"], ids=ascii)
def test_a_new_code_is_still_checked(code):
    """A voucher or a code is created by an operator, who wants to hear of a mistake."""
    request = {"project": "gigs", "name": "Kit", "priceDiscountPercentage": 10, "recurrence": {"type": "once"}}
    assert fields_of(task_named("vouchers.create"), {**request, "code": code}) == ["code"]
