"""An import that was stopped at any place and is repeated has one effect."""

from pathlib import Path
from typing import Any

import pytest

from tests.command_line.running import scrip_alone
from tests.exports.running import json_lines, rows, run, year
from tests.exports.stripe import EXPORT, YEARS, coupon
from tests.foreign.stripe_promotion_codes import promotion

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.slow]

# Three batches of coupons, two of codes, and one of subscriptions.
COUPONS = 250
CODES = 1_001
KILLED = -9


def large_export() -> list[dict[str, Any]]:
    """Return an export of several transactions."""
    many = [coupon(f"MANY-{number}") for number in range(COUPONS)]
    codes = [
        promotion(id=f"promo_{number}x", code=f"CODE-{number}", promotion={"type": "coupon", "coupon": "MANY-7"})
        for number in range(CODES)
    ]
    return [*EXPORT, *many, *codes]


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_an_import_that_was_killed_in_each_of_its_transactions_has_one_effect(tmp_path: Path, point: str):
    """The process dies at the first commit, then at the second, and so on, until it comes to the end."""
    file = json_lines(tmp_path, large_export())
    report = str(tmp_path / "killed.csv")
    codes = list[int]()
    while not codes or codes[-1] == KILLED:
        fault = f"{point}:kill:{len(codes) + 1}"
        done = scrip_alone("import", "stripe", file, "--apply", "--report", report, SCRIP_FAULT_POINT=fault)
        codes.append(done.code)
    assert codes == [KILLED] * 6 + [0]
    after = rows()
    assert (after["vouchers"], after["imported_discounts"]) == (COUPONS + 4, 5)
    # Each coupon has its own code, except for the one whose id cannot be one.
    assert after["codes"] == COUPONS + 3 + CODES + 1
    again = run("stripe", file, folder=tmp_path)
    assert ({each["outcome"] for each in again.lines}, rows()) == ({"imported", "skipped"}, after)
    assert {name: year(f"sub_{name}", f"cus_{name}") for name in YEARS} == YEARS
