"""An export of Polar: list answers of discounts and subscriptions, and a year of invoices afterwards."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.exports.running import START, document, month, rfc3339, rows, run, year
from tests.foreign.polar import DOCUMENTED
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# The ids are UUIDs there.
FOREVER, REPEATING, ONCE = (f"{digit}{'0' * 7}-0000-4000-8000-{'0' * 12}" for digit in "123")


def discount(id_: str, **changes: Any) -> dict[str, Any]:
    """Return a percentage discount, with the changes."""
    base = {name: value for name, value in DOCUMENTED.items() if name not in {"amount", "currency"}}
    terms = {"type": "percentage", "basis_points": 2_000, "duration": "forever", "code": None, "name": "Promo"}
    limits = dict.fromkeys(("starts_at", "ends_at", "max_redemptions", "max_redemptions_per_customer"))
    return {**base, **terms, **limits, "redemptions_count": 2, "id": id_, "products": [], **changes}


DISCOUNTS = [
    discount(FOREVER, code="FOREVER10", basis_points=1_000),
    discount(REPEATING, duration="repeating", duration_in_months=3, ends_at=rfc3339(month(-1)), max_redemptions=2),
    discount(ONCE, type="fixed", amount=500, currency="usd", amounts={"usd": 500}, duration="once"),
]


def subscription(name: str, discount_id: str | None, *, started: date, **changes: Any) -> dict[str, Any]:
    """Return a monthly subscription with a discount."""
    embedded = next((each for each in DISCOUNTS if each["id"] == discount_id), None)
    return {
        "id": f"sub_{name}",
        "created_at": rfc3339(started),
        "modified_at": None,
        "amount": 8_000,
        "currency": "usd",
        "recurring_interval": "month",
        "recurring_interval_count": 1,
        "status": "active",
        "current_period_start": rfc3339(month(0)),
        "current_period_end": rfc3339(month(1)),
        "cancel_at_period_end": False,
        "started_at": rfc3339(started),
        "ends_at": None,
        "customer_id": f"cus_{name}",
        "product_id": "prod_1",
        "discount_id": discount_id,
        "discount": embedded,
        "metadata": {},
        **changes,
    }


SUBSCRIPTIONS = [
    subscription("a", FOREVER, started=month(-7)),
    # The second month of three is the current one.
    subscription("b", REPEATING, started=month(-1)),
    subscription("c", ONCE, started=month(0)),
    # Polar takes a discount away that is over, so these were added later.
    subscription("d", REPEATING, started=month(-8)),
    subscription("e", ONCE, started=month(-2)),
    subscription("f", None, started=month(-2)),
    subscription("g", FOREVER, started=month(-2), status="canceled"),
]
# Over 80.00: 10 % for ever, 20 % once more, and nothing of what was used.
YEARS = {"a": [800] * 12, "b": [1_600, *[0] * 11], **{each: [0] * 12 for each in "cdefg"}}


def pages(folder: Path) -> list[str]:
    """Write list answers of Polar, the subscriptions first."""
    return [
        document(
            folder, {"items": items, "pagination": {"total_count": len(items), "max_page": 1}}, name=f"{name}.json"
        )
        for name, items in (("subscriptions", SUBSCRIPTIONS), ("discounts", DISCOUNTS))
    ]


def test_an_export_moves_over_and_a_year_of_invoices_is_discounted_as_there(tmp_path: Path):
    """A repetition has the same report and no second effect."""
    files, before = pages(tmp_path), rows()
    dry = run("polar", *files, folder=tmp_path, applied=False)
    assert rows() == before
    imported = run("polar", *files, folder=tmp_path)
    assert imported.outcomes() == dry.outcomes()
    assert imported.outcomes() == [
        *(("discount", each["id"], "imported") for each in DISCOUNTS),
        *(("subscription", f"sub_{each}", "imported") for each in "abc"),
        *(("subscription", f"sub_{each}", "refused") for each in "de"),
        *(("subscription", f"sub_{each}", "skipped") for each in "fg"),
    ]
    after = rows()
    assert run("polar", *files, folder=tmp_path) == imported
    assert rows() == after
    assert {name: year(f"sub_{name}", f"cus_{name}") for name in YEARS} == YEARS


def test_several_amounts_of_a_later_version_come_over(tmp_path: Path):
    """The export has the main amount twice."""
    several = discount(FOREVER, type="fixed", amount=500, currency="usd", amounts={"usd": 500, "eur": 450})
    file = document(tmp_path, {"items": [several]}, name="discounts.json")
    (line,) = run("polar", file, folder=tmp_path).lines
    assert line["outcome"] == "imported"
    voucher = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": line["importedAs"]})
    assert voucher["priceDiscount"] == {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 450}}


def test_a_subscription_that_began_within_a_month_counts_from_its_own_start(tmp_path: Path):
    """There, the discount was on its first invoice, is on the current one, and will be on the next."""
    begun = START - timedelta(days=3)
    late = subscription("x", REPEATING, started=begun)
    file = document(tmp_path, {"items": [*DISCOUNTS, late]}, name="all.json")
    assert {each["outcome"] for each in run("polar", file, folder=tmp_path).lines} == {"imported"}
    assert year("sub_x", "cus_x") == [1_600, *[0] * 11]


TRIED = START - timedelta(days=14)


@pytest.mark.parametrize(
    ("id_", "changes", "expected"),
    [
        (ONCE, {"status": "trialing", "trial_end": rfc3339(month(1))}, [500]),
        (REPEATING, {"status": "trialing", "trial_end": rfc3339(month(1))}, [1_600] * 3),
        # The current period is the first that was paid.
        (ONCE, {"trial_end": rfc3339(month(0))}, []),
        (REPEATING, {"trial_end": rfc3339(month(0))}, [1_600] * 2),
    ],
)
def test_a_trial_is_no_period_of_a_discount(tmp_path: Path, id_: str, changes: dict[str, Any], expected: list[int]):
    """The first period after the trial is."""
    tried = subscription("x", id_, started=TRIED, **changes)
    file = document(tmp_path, {"items": [*DISCOUNTS, tried]}, name="all.json")
    assert {each["outcome"] for each in run("polar", file, folder=tmp_path).lines} == {"imported"}
    assert year("sub_x", "cus_x") == expected + [0] * (12 - len(expected))


def test_months_of_a_subscription_by_the_week_are_not_those_of_here(tmp_path: Path):
    """The last week there begins a month before the end of the months."""
    start, end = rfc3339(START), rfc3339(START + timedelta(days=7))
    period = {"recurring_interval": "week", "current_period_start": start, "current_period_end": end}
    weekly = subscription("x", REPEATING, started=START, **period)
    imported = run("polar", document(tmp_path, {"items": [*DISCOUNTS, weekly]}, name="all.json"), folder=tmp_path)
    assert imported.reasons() == {"sub_x": "its months would discount more or fewer periods here"}


@pytest.mark.parametrize("bad", [0, -1, 10**9, 10**30, "3", None])
def test_months_that_are_none_end_no_import(tmp_path: Path, bad: Any):
    """The discount is imported by the file of discounts."""
    odd = subscription("x", REPEATING, started=START)
    odd["discount"] = {**odd["discount"], "duration_in_months": bad}
    imported = run("polar", document(tmp_path, {"items": [*DISCOUNTS, odd]}, name="all.json"), folder=tmp_path)
    assert imported.outcomes()[-1] == ("subscription", "sub_x", "imported")


def test_a_limit_below_what_was_redeemed_ends_no_import(tmp_path: Path):
    """Polar lets a limit be lowered. Such a discount is full."""
    lowered = discount(FOREVER, redemptions_count=5, max_redemptions=2)
    file = document(tmp_path, {"items": [lowered, DISCOUNTS[1]]}, name="discounts.json")
    assert [each["outcome"] for each in run("polar", file, folder=tmp_path).lines] == ["imported", "imported"]
