"""Codes under concurrency: each thread has a separate connection and commits separate transactions."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import text

from tasks.codes.generate import generate_codes
from tasks.codes.messages import GenerateCodes, RetireCode
from tasks.codes.retire import retire_code
from tasks.wire.errors import InvalidRequest
from tests.codes.calls import LONG_AGO, listed
from tests.support.concurrency import at_once, send, until_somebody_waits
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker import database as db

pytestmark = pytest.mark.usefixtures("wide_pool")


@pytest.mark.slow
def test_64_callers_on_a_code_limited_to_10():
    """Exactly 10 are accepted. The other 54 are refused because the code is full."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 10})
    answers = at_once(send("redemptions.redeem", [redemption(code="VIP") for _ in range(64)]))
    assert Counter(answer["reason"] for answer in answers) == {None: 10, "code_max_redemptions_reached": 54}
    numbers = sorted(answer["redemptionNumber"] for answer in answers if answer["outcome"] == "accepted")
    assert numbers == list(range(1, 11))
    (code,) = listed(voucher)
    assert (code["redemptions"], code["retiredReason"]) == (10, "maxRedemptionsReached")


def test_with_capacity_left_no_contention_on_a_code_refuses_anybody():
    """16 batches of 20 name the code and 16 name the voucher. Both limits have room for all of them."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 640})
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 320})
    by_code = [{"requests": [redemption(code="VIP") for _ in range(20)]} for _ in range(16)]
    by_id = [{"requests": [redemption(voucher=voucher["id"]) for _ in range(20)]} for _ in range(16)]
    answers = [item for each in at_once(send("redemptions.redeem_many", by_code + by_id)) for item in each["items"]]
    assert sorted(answer["redemptionNumber"] for answer in answers) == list(range(1, 641))
    assert listed(voucher)[0]["redemptions"] == 320


def test_many_codes_for_one_use_of_one_voucher_at_once():
    """Three customers want each of the 30 codes, in three batches with different orders. Each code is used once."""
    voucher = create_voucher()
    texts = [f"CODE-{index}" for index in range(30)]
    add_codes(voucher, *({"code": code, "maximumRedemptions": 1} for code in texts))
    batches = [{"requests": [redemption(code=code) for code in texts[start:] + texts[:start]]} for start in (0, 10, 20)]
    answers = [item for each in at_once(send("redemptions.redeem_many", batches)) for item in each["items"]]
    assert Counter(answer["reason"] for answer in answers) == {None: 30, "code_max_redemptions_reached": 60}
    accepted = [answer for answer in answers if answer["outcome"] == "accepted"]
    assert sorted(answer["code"] for answer in accepted) == sorted(texts)
    assert sorted(answer["redemptionNumber"] for answer in accepted) == list(range(1, 31))


def test_a_code_that_is_retired_during_a_wait_is_refused():
    """The redemption waits for the lock on the voucher, and then looks up the code again."""
    (code,) = add_codes(create_voucher(), {"code": "VIP"})
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(redeem, code="VIP")
            until_somebody_waits(holder)
            retire_code(holder, RetireCode.model_validate({"project": "gigs", "code": code["id"]}))
            holder.commit()
            assert waiting.result()["reason"] == "code_retired"


def test_one_text_wanted_by_many_vouchers_at_once_goes_to_one_of_them():
    """An expired code had the text. All other additions fail, because the text is taken."""
    add_codes(create_voucher(name="old"), {"code": "VIP", "expiresAt": LONG_AGO})
    vouchers = [create_voucher() for _ in range(8)]

    def attempt(voucher: dict) -> str:
        try:
            return str(add_codes(voucher, {"code": f"OWN-{voucher['id']}"}, {"code": "vip"})[1]["voucher"])
        except InvalidRequest as refused:
            return str(refused.errors[0]["field"])

    answers = at_once([partial(attempt, each) for each in vouchers])
    assert Counter(answers)["codes.1.code"] == 7
    (winner,) = set(answers) - {"codes.1.code"}
    assert redeem(code="VIP")["voucher"] == winner


def test_vouchers_that_want_each_others_texts_at_once_never_deadlock():
    """The texts belong to expired codes, and each of 8 vouchers wants all of them. A deadlock would be a Retry."""
    vouchers = [create_voucher() for _ in range(8)]
    texts = [f"CODE-{index}" for index in range(8)]
    for voucher, code in zip(vouchers, texts, strict=True):
        add_codes(voucher, {"code": code, "expiresAt": LONG_AGO})
    bodies = [
        {"project": "gigs", "voucher": voucher["id"], "codes": [{"code": code} for code in texts[at:] + texts[:at]]}
        for at, voucher in enumerate(vouchers)
    ]

    def attempt(body: dict) -> bool:
        try:
            return bool(task_named("vouchers.add_codes")(request=body))
        except InvalidRequest:
            return False

    assert Counter(at_once([partial(attempt, each) for each in bodies]))[True] == 1


def test_vouchers_that_want_the_same_new_texts_at_once_never_deadlock():
    """Half of the requests have the texts in reverse order. A single voucher gets all. A deadlock would be a Retry."""
    texts = [f"CODE-{index}" for index in range(400)]
    bodies = [
        {"project": "gigs", "voucher": create_voucher()["id"], "codes": [{"code": code} for code in ordered]}
        for ordered in (texts, texts[::-1]) * 3
    ]

    def attempt(body: dict) -> bool:
        try:
            return bool(task_named("vouchers.add_codes")(request=body))
        except InvalidRequest:
            return False

    assert Counter(at_once([partial(attempt, each) for each in bodies]))[True] == 1


def test_one_addition_delivered_many_times_at_once_adds_once():
    """Every delivery gets the same answer."""
    voucher = create_voucher()
    body = {"project": "gigs", "voucher": voucher["id"], "requestId": "r1", "codes": [{"code": "VIP"}]}
    answers = at_once(send("vouchers.add_codes", [body] * 12))
    assert all(answer == answers[0] for answer in answers)
    assert len(listed(voucher)) == 1


def test_one_generation_delivered_twice_at_once_generates_once():
    """The calls add chunks in turn, never more codes than requested, and get the same answer."""
    voucher = create_voucher()
    body = {"project": "gigs", "voucher": voucher["id"], "requestId": "r1", "count": 95}
    request = GenerateCodes.model_validate(body)
    answers = at_once([lambda: generate_codes(request, report=lambda _row: None, chunk_size=10)] * 4)
    assert all(answer == answers[0] for answer in answers)
    assert len({code["code"] for code in listed(voucher)}) == 95


def test_generations_of_one_small_pattern_at_once_never_draw_a_code_twice():
    """Each of four vouchers gets 100 of the 1,000 codes. A deadlock would be a Retry."""
    pattern = {"alphabet": "0123456789", "length": 3, "maximumRedemptions": None, "count": 100}
    bodies = [{"project": "gigs", "voucher": create_voucher()["id"], **pattern} for _ in range(4)]
    assert [each["generated"] for each in at_once(send("vouchers.generate_codes", bodies))] == [100] * 4


def test_redeeming_retiring_and_sweeping_codes_at_once():
    """There is no deadlock. The audit after the test checks the counters."""
    voucher = create_voucher()
    due = [{"code": f"DUE-{index}", "expiresAt": LONG_AGO} for index in range(20)]
    open_codes = add_codes(voucher, *due, *({"code": f"OPEN-{index}"} for index in range(8)))[20:]
    requests = [{"requests": [redemption(code=f"OPEN-{index}"), redemption(code=f"DUE-{index}")]} for index in range(8)]
    calls = [
        *send("redemptions.redeem_many", requests),
        *send("expiry.sweep", [{}] * 8),
        *send("codes.retire", [{"project": "gigs", "code": code["id"]} for code in open_codes]),
    ]
    items = [item for each in at_once(calls)[:8] for item in each["items"]]
    assert {item["reason"] for item in items[::2]} <= {None, "code_retired"}
    assert {item["reason"] for item in items[1::2]} == {"code_expired"}
    task_named("expiry.sweep")(request={})
    assert {code["status"] for code in listed(voucher)} == {"retired"}
    assert task_named("redemptions.redeem")(request=redemption(voucher=voucher["id"]))["outcome"] == "accepted"
