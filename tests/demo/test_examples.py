"""The example files are the output of examples/generate.py, and cover everything that a reader should learn."""

import json
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL_FILES = ("vouchers", "redemptions", "plans", "invoices", "tour", "expected")
BULK_FILES = ("vouchers", "redemptions", "invoices")
FILE_SIZE_MAX = 200_000
# The reasons that need nothing but a voucher; the tour shows the others.
REASONS = (
    "idempotency_conflict",
    "voucher_not_found",
    "voucher_retired",
    "voucher_not_started",
    "voucher_expired",
    "max_redemptions_reached",
    "customer_limit_reached",
    "already_applied",
    "product_not_eligible",
    "currency_mismatch",
    "minimum_subtotal_not_met",
    "discount_limit_reached",
)


def generate(into: Path, *options: str) -> Path:
    """Run the script as its users do, and return the folder."""
    subprocess.run([sys.executable, str(EXAMPLES / "generate.py"), "--into", str(into), *options], check=True)
    return into


def read(name: str) -> Any:
    """Return the contents of a file in the repository."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with everything that the script writes."""
    return generate(tmp_path_factory.mktemp("bulk"), "--bulk")


@pytest.mark.parametrize("name", SMALL_FILES)
def test_the_files_are_what_the_script_makes(bulk: Path, name: str) -> None:
    """A change in the script only, or in the files only, is a mistake."""
    assert (bulk / f"{name}.json").read_bytes() == (EXAMPLES / f"{name}.json").read_bytes()


def test_the_files_are_small_where_a_reader_looks() -> None:
    """The large files are generated on demand."""
    assert all(file.stat().st_size < FILE_SIZE_MAX for file in EXAMPLES.iterdir() if file.is_file())
    assert not list(EXAMPLES.glob("*.jsonl"))


@pytest.mark.parametrize("name", BULK_FILES)
def test_the_same_instant_and_seed_make_the_same_requests(bulk: Path, tmp_path: Path, name: str) -> None:
    """The script has no other source of chance, and no clock."""
    again = generate(tmp_path, "--bulk")
    assert (again / f"{name}.jsonl").read_bytes() == (bulk / f"{name}.jsonl").read_bytes()


def test_another_seed_sends_the_same_requests_in_another_order(bulk: Path, tmp_path: Path) -> None:
    """The expected results do not depend on the order."""
    other = generate(tmp_path, "--bulk", "--seed", "7")
    ours, theirs = ((folder / "redemptions.jsonl").read_text(encoding="utf-8").splitlines() for folder in (bulk, other))
    assert ours != theirs
    assert sorted(ours) == sorted(theirs)
    assert (other / "expected.json").read_bytes() == (bulk / "expected.json").read_bytes()


def test_another_instant_moves_the_windows_and_leaves_what_is_expected(bulk: Path, tmp_path: Path) -> None:
    """The demo runs at any time, in any time zone."""
    later = generate(tmp_path, "--now", "2030-07-01T12:00:00+02:00")
    windows = [
        {body["name"]: body.get("restrictions", {}).get("expiresAt") for body in json.loads(file.read_text())}
        for file in (bulk / "vouchers.json", later / "vouchers.json")
    ]
    assert windows[0]["Just over"] == "2026-03-01T09:55:00Z"
    assert windows[1]["Just over"] == "2030-07-01T09:55:00Z"
    assert (later / "expected.json").read_bytes() == (bulk / "expected.json").read_bytes()


def test_the_vouchers_include_the_documented_bodies() -> None:
    """30.12 % once, 999 USD for three months, a percentage for ever, and each kind of restriction."""
    bodies = read("vouchers")
    terms = [
        (body.get("priceDiscountPercentage"), body.get("priceDiscount"), body["recurrence"])
        for body in bodies
        if "restrictions" not in body
    ]
    assert (30.12, None, {"type": "once"}) in terms
    assert (None, {"amount": 999, "currency": "USD"}, {"type": "repeating", "durationInMonths": 3}) in terms
    assert any(percentage and recurrence == {"type": "forever"} for percentage, _, recurrence in terms)
    restricted = [body["restrictions"].keys() for body in bodies if "restrictions" in body]
    assert any({"expiresAt", "maximumRedemptions"} <= names for names in restricted)
    assert {"products"} in restricted
    assert any(
        {body["priceDiscount"]["currency"], *body["priceDiscount"].get("currencyOptions", {})} == {"USD", "EUR", "JPY"}
        for body in bodies
        if "priceDiscount" in body
    )
    assert max(len(body.get("metadata", {})) for body in bodies) == 50


def test_the_redemptions_include_every_reason_and_acceptances() -> None:
    """Each reason has a request that is refused for it."""
    answers = Counter(each["answer"].get("reason") or each["answer"]["outcome"] for each in read("redemptions"))
    assert set(answers) == {*REASONS, "accepted", "invalid"}


def test_the_demo_expects_every_reason() -> None:
    """A reason that no request meets proves nothing."""
    expected = Counter[str]()
    for scenario in read("expected")["scenarios"].values():
        expected.update(scenario["answers"])
    assert set(expected) == {*REASONS, "accepted", "invalid"}
    assert expected["accepted"] > 2_000


def test_every_scenario_accounts_for_each_of_its_requests(bulk: Path) -> None:
    """A scenario expects as many answers as it has requests."""
    sent = Counter(line["scenario"] for line in lines(bulk, "redemptions"))
    expected = {name: sum(each["answers"].values()) for name, each in read("expected")["scenarios"].items()}
    assert sent == expected


def test_a_few_hundred_requests_travel_alone_and_thousands_in_bulk(bulk: Path) -> None:
    """The demo shows both ways of sending."""
    alone = Counter(line["alone"] for line in lines(bulk, "redemptions"))
    assert 200 < alone[True] < 1_000
    assert alone[False] > 2_000


def test_the_plans_are_billed_in_four_intervals() -> None:
    """Monthly on the 31st, yearly, weekly and every 30 days."""
    plans = read("plans")
    assert {tuple(plan["every"].items()) for plan in plans} == {
        (("months", 1),), (("months", 12),), (("days", 7),), (("days", 30),)
    }  # fmt: skip
    assert any(plan["startsOn"].endswith("-31") and plan["every"] == {"months": 1} for plan in plans)


@pytest.mark.parametrize(
    ("subscription", "starts"),
    [
        ("sub_monthly_31", ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31", "2025-06-30"]),
        ("sub_yearly", ["2022-03-15", "2023-03-15", "2024-03-15"]),
        ("sub_30_day", ["2025-04-17", "2025-05-17", "2025-06-16", "2025-07-16", "2025-08-15"]),
    ],
)
def test_the_periods_follow_the_interval(bulk: Path, subscription: str, starts: list[str]) -> None:
    """The dates come from a calendar, not from the script. A month without a 31st is billed on its last day."""
    periods = [
        line["request"]["period"]
        for line in lines(bulk, "invoices")
        if line["request"]["subscription"] == subscription
    ]  # fmt: skip
    assert [period["start"] for period in periods] == starts
    assert [period["end"] for period in periods[:-1]] == starts[1:]


def test_every_subscription_that_is_billed_has_redeemed_before(bulk: Path) -> None:
    """An invoice without a discount would prove nothing."""
    early = [line for line in lines(bulk, "redemptions") if line["wave"] <= 1]
    redeemed = {line["request"]["subscription"] for line in early}
    billed = {line["request"]["subscription"] for line in lines(bulk, "invoices")}
    assert billed | {story["subscription"] for story in read("invoices")} <= redeemed


def test_the_stories_include_what_goes_wrong_with_invoices() -> None:
    """A trial, several invoices in a period, a repeated delivery, a late invoice, several currencies."""
    stories = {story["subscription"]: [each["request"] for each in story["invoices"]] for story in read("invoices")}
    assert stories["sub_trial"][0]["trial"]
    assert len({request["period"]["start"] for request in stories["sub_one_period"]}) == 1
    assert stories["sub_twice"][0] == stories["sub_twice"][1]
    starts = [date.fromisoformat(request["period"]["start"]) for request in stories["sub_late"]]
    assert starts != sorted(starts)
    assert {request["currency"] for request in stories["sub_currencies"]} == {"USD", "EUR", "JPY", "GBP"}
    assert any("period" not in request for request in stories["sub_one_off"])


def test_the_instants_carry_an_offset() -> None:
    """The only exception is the invalid request in the bulk."""
    instants = [each["request"]["requestedAt"] for each in read("redemptions") if "requestedAt" in each["request"]]
    assert instants
    assert all(datetime.fromisoformat(instant).tzinfo for instant in instants)
