"""A whole export of Stripe moves over in one command, and a year of invoices is discounted as it would have been."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.exports.running import json_lines, month, rows, run, seconds, year
from tests.exports.stripe import (
    COUPONS,
    EXPORT,
    FOREVER,
    ONCE,
    OUTCOMES,
    REPEATING,
    YEARS,
    coupon,
    discount,
    subscription,
)
from tests.foreign.stripe_promotion_codes import promotion
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

SUBSCRIBED = subscription("x", discount(FOREVER, id_="di_x", start=month(0)))


def test_an_export_moves_over_and_a_year_of_invoices_is_discounted_as_there(tmp_path: Path):
    """Whatever the order of its objects. Its codes are redeemed with the rest of their limits."""
    imported = run("stripe", json_lines(tmp_path, EXPORT), folder=tmp_path)
    assert imported.outcomes() == OUTCOMES
    assert imported.reasons() == {
        "20 % off": "without a code: its id cannot be one",
        "sub_f": "the subscription is over, or has not begun",
        "sub_g": "has no discount",
    }
    assert imported.done.code == 0
    assert {name: year(f"sub_{name}", f"cus_{name}") for name in YEARS} == YEARS
    assert [redeem(code="WELCOME")["reason"] for _ in range(4)] == [None] * 3 + ["code_max_redemptions_reached"]
    assert redeem(code="ONCE")["reason"] == "max_redemptions_reached"


def test_an_import_that_is_repeated_has_one_effect(tmp_path: Path):
    """The report is the same, with the same ids here."""
    file = json_lines(tmp_path, EXPORT)
    first, after = run("stripe", file, folder=tmp_path), rows()
    assert run("stripe", file, folder=tmp_path) == first
    assert rows() == after


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path):
    """Also if some of it was imported before."""
    file = json_lines(tmp_path, EXPORT)
    before = rows()
    dry = run("stripe", file, folder=tmp_path, applied=False)
    assert (dry.outcomes(), rows()) == (OUTCOMES, before)
    assert "a dry run: nothing was changed" in dry.done.errors
    run("stripe", json_lines(tmp_path, COUPONS[:2], name="some.jsonl"), folder=tmp_path)
    some = rows()
    assert (run("stripe", file, folder=tmp_path, applied=False).outcomes(), rows()) == (OUTCOMES, some)
    assert run("stripe", file, folder=tmp_path).outcomes() == OUTCOMES


def test_a_coupon_whose_code_is_taken_leaves_nothing_behind(tmp_path: Path):
    """Neither itself, nor what is wrong with the coupons beside it. It is imported when the code is free."""
    holder = create_voucher(code="taken")
    file = json_lines(tmp_path, [coupon("TAKEN"), FOREVER])
    before = rows()["vouchers"]
    first = run("stripe", file, folder=tmp_path)
    assert first.outcomes() == [("coupon", "TAKEN", "invalid"), ("coupon", "FOREVER", "imported")]
    message = "coupon.id: is already the code of a voucher that can still be redeemed"
    assert (first.reasons(), rows()["vouchers"]) == ({"TAKEN": message}, before + 1)
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": holder["id"]})
    assert {each["outcome"] for each in run("stripe", file, folder=tmp_path).lines} == {"imported"}


def test_discounts_of_a_deleted_coupon_run_on(tmp_path: Path):
    """Stripe lists such a coupon no more. Nobody can redeem it here, and it is created once."""
    deleted = [subscription(name, discount(FOREVER, id_=f"di_{name}", start=month(-2))) for name in "xy"]
    file = json_lines(tmp_path, deleted)
    lines = [("coupon", "FOREVER", "imported"), ("discount", "di_x", "imported"), ("discount", "di_y", "imported")]
    assert run("stripe", file, folder=tmp_path, applied=False).outcomes() == lines
    imported, after = run("stripe", file, folder=tmp_path), rows()
    assert imported.outcomes() == lines
    assert imported.reasons() == {"FOREVER": "is in no file but in a discount: retired, and without a code"}
    assert [year(f"sub_{name}", f"cus_{name}") for name in "xy"] == [[800] * 12] * 2
    again = rows()
    assert run("stripe", file, folder=tmp_path).outcomes() == lines[1:]
    assert (rows(), again["vouchers"]) == (again, after["vouchers"])
    assert redeem(code="FOREVER")["reason"] == "voucher_not_found"


def test_a_coupon_of_the_files_that_was_not_imported_is_not_taken_from_a_discount(tmp_path: Path):
    """Its line says why it was not."""
    create_voucher(code="FOREVER")
    imported = run("stripe", json_lines(tmp_path, [FOREVER, SUBSCRIBED]), folder=tmp_path)
    assert imported.outcomes() == [("coupon", "FOREVER", "invalid"), ("discount", "di_x", "refused")]


def test_a_bad_coupon_of_a_discount_has_a_line(tmp_path: Path):
    """Beside that of the discount."""
    bad = subscription("x", discount(coupon("BAD", percent_off=0), id_="di_x", start=month(0)))
    imported = run("stripe", json_lines(tmp_path, [bad]), folder=tmp_path)
    assert imported.outcomes() == [("coupon", "BAD", "invalid"), ("discount", "di_x", "refused")]


LEFT: list[tuple[str, list[Any], tuple[str, str, str]]] = [
    ("an id that is not expanded", [FOREVER, subscription("x", "di_x")], ("di_x", "refused", "is not expanded")),
    (
        "a coupon that is not there",
        [subscription("x", discount(FOREVER, id_="di_x", start=month(0), newer=True), newer=True)],
        ("di_x", "refused", "its coupon was not imported"),
    ),
    (
        "a discount of an item",
        [subscription("x", items={"data": [{"discounts": ["di_x"]}]})],
        ("di_x", "refused", "is a discount of one item of the subscription"),
    ),
    (
        "a discount of the customer",
        [subscription("x", customer={"id": "cus_x", "object": "customer", "discount": {"id": "di_x"}})],
        ("di_x", "refused", "is a discount of the customer"),
    ),
    ("a bad coupon", [coupon("BAD", percent_off=0)], ("BAD", "invalid", "coupon.percent_off: ")),
    ("a field that is not known", [coupon("NEW", novelty=1)], ("NEW", "invalid", "coupon.?: is not a field")),
    ("a code without its coupon", [promotion()], (promotion()["id"], "invalid", "promotion_code.promotion.coupon: ")),
    ("another object", [{"object": "invoice", "id": "in_1"}], ("", "invalid", "is no object of an export")),
    ("no object", [[7]], ("", "invalid", "is no JSON object")),
    (
        "a subscription without a period",
        [FOREVER, subscription("x", discount(FOREVER, id_="di_x", start=month(0)), current_period_start=None)],
        ("di_x", "refused", "its subscription has no period"),
    ),
]


@pytest.mark.parametrize(("records", "expected"), [each[1:] for each in LEFT], ids=[each[0] for each in LEFT])
def test_nothing_is_left_silently(tmp_path: Path, records: list[Any], expected: tuple[str, str, str]):
    """Each object that is not brought over has a line with the reason, and the exit code says that there are some."""
    imported = run("stripe", json_lines(tmp_path, records), folder=tmp_path)
    id_, outcome, reason = expected
    (line,) = [each for each in imported.lines if each["outcome"] != "imported"]
    assert (line["id"], line["outcome"], line["reason"][: len(reason)]) == (id_, outcome, reason)
    assert imported.done.code == {"invalid": 5, "refused": 3}[outcome]


def test_a_discount_that_was_over_before_the_export_is_completed(tmp_path: Path):
    """Its last cycle is the last before its end, not the current one."""
    over = subscription("x", discount(REPEATING, id_="di_x", start=month(-5)))
    imported = run("stripe", json_lines(tmp_path, [REPEATING, over]), folder=tmp_path)
    assert [each["outcome"] for each in imported.lines] == ["imported", "imported"]
    assert year("sub_x", "cus_x") == [0] * 12


def test_a_discount_that_ends_before_the_next_invoice_is_skipped(tmp_path: Path):
    """A year's invoices are too far apart for three months that begin within one."""
    yearly = subscription("x", {**discount(REPEATING, id_="di_x", start=month(-1))})
    yearly["items"]["data"][0]["price"]["recurring"] = {"interval": "year", "interval_count": 1}
    yearly |= {"current_period_start": yearly["billing_cycle_anchor"], "current_period_end": 4_000_000_000}
    imported = run("stripe", json_lines(tmp_path, [REPEATING, yearly]), folder=tmp_path)
    assert imported.reasons() == {"di_x": "ends before the next invoice"}


@pytest.mark.parametrize(("begun", "outcome"), [(date(2026, 5, 5), "imported"), (date(2026, 4, 30), "refused")])
def test_a_discount_that_would_have_a_week_more_here_is_refused(tmp_path: Path, begun: date, outcome: str):
    """Its months count from April 30 there, and from the first week after that here, which adds that of August 4."""
    weekly = subscription("x", discount(REPEATING, id_="di_x", start=begun), billing_cycle_anchor=None)
    weekly["items"]["data"][0]["price"]["recurring"] = {"interval": "week", "interval_count": 1}
    weekly |= {"current_period_start": seconds(date(2026, 5, 5)), "current_period_end": seconds(date(2026, 5, 12))}
    imported = run("stripe", json_lines(tmp_path, [REPEATING, weekly]), folder=tmp_path)
    assert imported.outcomes()[-1] == ("discount", "di_x", outcome)


@pytest.mark.parametrize("bad", ["a\x00b", "\ud800", 7, None, {"id": "\udfff"}, ["a"]])
@pytest.mark.parametrize("applied", [False, True])
def test_ids_that_nothing_can_store_end_no_import(tmp_path: Path, bad: Any, applied: bool):
    """Wherever they stand, the other objects are imported."""
    one = discount(FOREVER, id_="di_x", start=month(0))
    records = [
        coupon(bad),
        promotion(id=bad),
        promotion(promotion={"type": "coupon", "coupon": bad}),
        subscription("x", {**one, "id": bad}),
        subscription("y", {**one, "coupon": bad}),
        subscription("z", bad, customer=bad),
        {**subscription("w", one), "id": bad},
        FOREVER,
    ]
    imported = run("stripe", json_lines(tmp_path, records), folder=tmp_path, applied=applied)
    assert imported.done.code == 5
    assert {each["id"] for each in imported.lines if each["outcome"] == "imported"} == {"FOREVER"}


@pytest.mark.parametrize("bad", ["now", -1, 10**11, 10**30, 1.5, None, {}, []])
@pytest.mark.parametrize("name", ["current_period_start", "current_period_end", "start", "end", "billing_cycle_anchor"])
def test_instants_that_are_none_end_no_import(tmp_path: Path, bad: Any, name: str):
    """The discount is imported, refused or skipped, as the rest of it says."""
    whole = discount(REPEATING, id_="di_x", start=month(-1)) | ({name: bad} if name in {"start", "end"} else {})
    record = subscription("x", whole, **({} if name in {"start", "end"} else {name: bad}))
    imported = run("stripe", json_lines(tmp_path, [REPEATING, record]), folder=tmp_path)
    assert [each["id"] for each in imported.lines] == ["REPEATING", "di_x"]


@pytest.mark.parametrize("number", [9_999, 10**30])
def test_an_interval_that_is_none_ends_no_import(tmp_path: Path, number: int):
    """No calendar goes back so far."""
    record = subscription("x", discount(REPEATING, id_="di_x", start=month(-1)))
    record["items"]["data"][0]["price"]["recurring"] = {"interval": "year", "interval_count": number}
    imported = run("stripe", json_lines(tmp_path, [REPEATING, record]), folder=tmp_path)
    assert imported.reasons() == {"di_x": "its subscription has no period that is understood"}


def test_a_newer_export_changes_nothing_that_was_imported(tmp_path: Path):
    """What changed there since is a conflict. What is new there is imported, beside coupons that changed."""
    earlier: dict[str, Any] = {"current_period_start": seconds(month(-1)), "current_period_end": seconds(month(0))}
    one = discount(FOREVER, id_="di_x", start=month(-3))
    run("stripe", json_lines(tmp_path, [FOREVER, ONCE, subscription("x", one, **earlier)]), folder=tmp_path)
    new = discount(FOREVER, id_="di_y", start=month(0))
    newer = [{**FOREVER, "times_redeemed": 3}, ONCE, subscription("x", one), subscription("y", new)]
    imported = run("stripe", json_lines(tmp_path, newer, name="newer.jsonl"), folder=tmp_path)
    assert imported.outcomes() == [
        ("coupon", "FOREVER", "refused"),
        ("coupon", "ONCE", "imported"),
        ("discount", "di_x", "refused"),
        ("discount", "di_y", "imported"),
    ]
    assert imported.reasons() == {"FOREVER": "idempotency_conflict", "di_x": "idempotency_conflict"}
    assert [year(f"sub_{name}", f"cus_{name}") for name in "xy"] == [[800] * 12] * 2
