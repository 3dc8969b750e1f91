"""An export of Lago: list answers of coupons, applied coupons and subscriptions, and a year of invoices afterwards."""

from pathlib import Path
from typing import Any

import pytest

from tests.exports.running import TODAY, document, json_lines, month, rfc3339, rows, run, year
from tests.support.requests import redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def coupon(code: str, **changes: Any) -> dict[str, Any]:
    """Return a coupon of 5.00 for ever, with the changes."""
    return {
        "lago_id": f"id_{code}",
        "name": code,
        "code": code,
        "description": None,
        "coupon_type": "fixed_amount",
        "amount_cents": 500,
        "amount_currency": "USD",
        "percentage_rate": None,
        "frequency": "forever",
        "frequency_duration": None,
        "reusable": True,
        "limited_plans": False,
        "plan_codes": [],
        "limited_billable_metrics": False,
        "billable_metric_codes": [],
        "expiration": "no_expiration",
        "expiration_at": None,
        "created_at": rfc3339(month(-12)),
        "terminated_at": None,
        **changes,
    }


PERCENTAGE = {"coupon_type": "percentage", "amount_cents": None, "amount_currency": None, "percentage_rate": "12.5"}
FOREVER = coupon("forever", terminated_at=rfc3339(month(-1)))
RECURRING = coupon("recurring", frequency="recurring", frequency_duration=6)
BALANCE = coupon("balance", amount_cents=20_000, frequency="once", reusable=False)
ONCE = coupon("once %", **PERCENTAGE, frequency="once")
LIMITED = coupon("limited", limited_plans=True, plan_codes=["startup"])
COUPONS = [FOREVER, RECURRING, BALANCE, ONCE, LIMITED]


def applied(name: str, coupon_: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an applied coupon, with the changes."""
    terms = ("amount_cents", "amount_currency", "percentage_rate", "frequency", "frequency_duration")
    return {
        "lago_id": f"ac_{name}",
        "lago_coupon_id": coupon_["lago_id"],
        "coupon_code": coupon_["code"],
        "coupon_name": coupon_["name"],
        "lago_customer_id": f"lago_{name}",
        "external_customer_id": f"cus_{name}",
        "status": "active",
        **{each: coupon_[each] for each in terms},
        "amount_cents_remaining": None,
        "frequency_duration_remaining": coupon_["frequency_duration"],
        "expiration_at": None,
        "created_at": rfc3339(month(-6)),
        "terminated_at": None,
        "credits": [],
        **changes,
    }


TERMINATED = {"status": "terminated", "terminated_at": rfc3339(month(0))}
APPLIED = [
    # The coupon was withdrawn there, and goes on for those who have it.
    applied("a", FOREVER),
    applied("b", RECURRING, frequency_duration_remaining=2),
    applied("c", RECURRING, frequency_duration_remaining=0, **TERMINATED),
    applied("d", BALANCE, amount_cents_remaining=9_000),
    applied("e", BALANCE, amount_cents_remaining=0, **TERMINATED),
    applied("f", ONCE),
    applied("g", ONCE, **TERMINATED),
    # The amount was overridden for this customer.
    applied("h", RECURRING, amount_cents=700, frequency_duration_remaining=1),
    applied("i", FOREVER, **TERMINATED),
    applied("j", LIMITED),
    applied("k", BALANCE, amount_cents_remaining=20_000),
]
# Two subscriptions, of which one is active, and two active ones of another customer.
SUBSCRIPTIONS = [
    {"lago_id": f"s_{number}", "external_id": id_, "external_customer_id": customer, "plan_code": "p", "status": status}
    for number, (id_, customer, status) in enumerate(
        [
            ("sub_a", "cus_a", "active"),
            ("sub_a_old", "cus_a", "terminated"),
            ("sub_b1", "cus_b", "active"),
            ("sub_b2", "cus_b", "active"),
        ]
    )
]
# Each invoice is over 80.00. The balance has 90.00 left, or 200.00.
YEARS = {
    "sub_a": [500] * 12,
    "cus_b": [500] * 2 + [0] * 10,
    "cus_c": [0] * 12,
    "cus_d": [8_000, 1_000, *[0] * 10],
    "cus_e": [0] * 12,
    "cus_f": [1_000, *[0] * 11],
    "cus_g": [0] * 12,
    "cus_h": [700, *[0] * 11],
    "cus_i": [0] * 12,
    "cus_k": [8_000, 8_000, 4_000, *[0] * 9],
}


def pages(folder: Path) -> list[str]:
    """Write the list answers of Lago, coupons last."""
    meta = {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1}
    lists = {"applied_coupons": APPLIED, "subscriptions": SUBSCRIPTIONS, "coupons": COUPONS}
    return [document(folder, {name: items, "meta": meta}, name=f"{name}.json") for name, items in lists.items()]


@pytest.mark.slow
def test_an_export_moves_over_and_a_year_of_invoices_is_discounted_as_there(tmp_path: Path):
    """A repetition has the same report and no second effect."""
    files, before = pages(tmp_path), rows()
    dry = run("lago", *files, folder=tmp_path, applied=False)
    assert rows() == before
    imported = run("lago", *files, folder=tmp_path)
    assert imported.outcomes() == dry.outcomes()
    assert imported.outcomes() == [
        *(("coupon", each["lago_id"], "imported") for each in COUPONS),
        *(
            ("applied_coupon", each["lago_id"], "skipped" if each["lago_id"] == "ac_i" else "imported")
            for each in APPLIED
        ),
        *(("subscription", each["external_id"], "skipped") for each in SUBSCRIPTIONS),
    ]
    assert imported.reasons()["id_once %"] == "without a code: its code cannot be one here"
    after = rows()
    assert run("lago", *files, folder=tmp_path) == imported
    assert rows() == after
    assert {name: year(name, f"cus_{name[-1]}") for name in YEARS} == YEARS


def test_plans_and_metrics_are_products(tmp_path: Path):
    """A line of another product is not discounted."""
    run("lago", *pages(tmp_path), folder=tmp_path)
    lines = [{"id": "a", "amount": 4_000, "product": "startup"}, {"id": "b", "amount": 4_000, "product": "other"}]
    assert year("cus_j", "cus_j", lines=lines) == [500] * 12
    assert redeem(code="limited", products=["other"])["reason"] == "product_not_eligible"


def test_a_coupon_that_is_not_reusable_is_applied_once(tmp_path: Path):
    """Also if it was used up there."""
    run("lago", *pages(tmp_path), folder=tmp_path)
    assert redeem(code="balance", customer="cus_e", currency="USD")["reason"] == "customer_limit_reached"
    assert redeem(code="recurring", customer="cus_c", currency="USD")["outcome"] == "accepted"


def test_single_objects_are_read_from_what_is_around_them(tmp_path: Path):
    """As the answers to single requests have them."""
    records = [{"coupon": RECURRING}, {"applied_coupon": APPLIED[1]}]
    imported = run("lago", json_lines(tmp_path, records), folder=tmp_path)
    assert imported.outcomes() == [("coupon", "id_recurring", "imported"), ("applied_coupon", "ac_b", "imported")]


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (coupon("x", amount_cents=None), "percentage_rate"),
        (coupon("x", amount_currency=None), "amount_currency"),
        (coupon("x", percentage_rate="ten"), "percentage_rate"),
        (coupon("x", frequency_duration=3), "frequency_duration"),
        (applied("x", RECURRING, frequency_duration_remaining=None), "frequency_duration_remaining"),
        (applied("x", RECURRING, frequency_duration_remaining=7), "frequency_duration_remaining"),
        (coupon("x", limited_countries=["DE"]), "?"),
    ],
)
def test_each_bad_field_is_named(tmp_path: Path, record: dict[str, Any], field: str):
    """A field that is not known might restrict the coupon."""
    records = [RECURRING, record]
    line = run("lago", json_lines(tmp_path, records), folder=tmp_path).lines[-1]
    assert (line["outcome"], line["reason"].partition(":")[0]) == ("invalid", field)


def test_a_record_that_is_on_two_pages_counts_once(tmp_path: Path):
    """A list shifts while somebody reads its pages."""
    forever = coupon("forever")
    one, active = applied("a", forever), SUBSCRIPTIONS[0]
    imported = run("lago", json_lines(tmp_path, [forever, one, one, active, active]), folder=tmp_path)
    assert year("sub_a", "cus_a") == [500] * 12
    voucher = task_named("vouchers.retrieve")(
        request={"project": "gigs", "voucher": next(each["importedAs"] for each in imported.lines)}
    )
    assert voucher["redemptions"] == 1


def test_a_coupon_that_has_expired_goes_on_with_the_terms_of_its_customers(tmp_path: Path):
    """Only nobody else gets it."""
    expired = coupon("expired", expiration="time_limit", expiration_at=rfc3339(month(-1)))
    own = applied("a", expired, amount_cents=700)
    imported = run("lago", json_lines(tmp_path, [expired, own, applied("b", expired)]), folder=tmp_path)
    assert [each["outcome"] for each in imported.lines] == ["imported"] * 3
    assert (year("cus_a", "cus_a"), year("cus_b", "cus_b")) == ([700] * 12, [500] * 12)


def test_invoices_of_several_subscriptions_may_have_used_more_cycles_than_there_were_days(tmp_path: Path):
    """The coupon was applied today, and three invoices had it."""
    own = applied("a", RECURRING, created_at=rfc3339(TODAY), frequency_duration_remaining=3)
    imported = run("lago", json_lines(tmp_path, [RECURRING, own]), folder=tmp_path)
    assert [each["outcome"] for each in imported.lines] == ["imported"] * 2
    assert year("cus_a", "cus_a") == [500] * 3 + [0] * 9
