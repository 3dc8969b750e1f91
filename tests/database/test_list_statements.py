"""No statement of a list scans a table, whatever the statistics say."""

from typing import Any

import pytest

from tests.support.changes import move
from tests.support.credits import credit
from tests.support.holds import reserve
from tests.support.pages import listed
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import refund
from tests.support.statements import SCANS, analyze, explained
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def decide_many(voucher: dict[str, Any], *, first: int, count: int) -> None:
    """Redeem for a customer, by code, and refuse as many requests of another customer. Hold places, and bill."""
    for fields in ({"code": "SUMMER", "customer": "cus_1"}, {"code": "TYPO", "customer": "cus_2"}):
        requests = [redemption(**fields, subscription=f"sub_{index}") for index in range(first, first + count)]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    for index in range(first, first + count // 4):
        reserve(voucher=voucher["id"], customer="cus_3", subscription=f"sub_held_{index}")
        apply(invoice=f"inv_{index}", subscription=f"sub_{index % 3}")
        refund(f"inv_{index}", f"r{index}", base=100)


@pytest.mark.slow
@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_scans_a_table_whatever_the_statistics_say(known):
    """The statistics are unknown, up to date, or out of date."""
    voucher = create_voucher(code="SUMMER")
    (code, *_) = add_codes(voucher, *({"code": f"CODE-{index}"} for index in range(50)))
    decide_many(voucher, first=0, count=40)
    if known == "what was there before":
        analyze()
    decide_many(voucher, first=40, count=300)
    moved = redeem(voucher=create_voucher()["id"], customer="cus_1", subscription="sub_1")["discount"]
    move(moved, subscription="sub_2")
    credit(100, of="inv_1")
    if known == "everything":
        analyze()
    generated = task_named("vouchers.generate_codes")(
        request={"project": "gigs", "voucher": voucher["id"], "count": 1, "requestId": "g1"}
    )
    owners = [{"customer": "cus_1"}, {"subscription": "sub_1"}, {"voucher": voucher["id"]}]
    with explained() as plans:
        redemptions = [
            *(listed("redemptions.list", **owner) for owner in ({}, *owners, {"code": "SUMMER"}, {"code": "typo"})),
            listed("redemptions.list", decidedFrom="2020-01-01T00:00:00Z"),
            listed("redemptions.list", customer="cus_1", voucher=voucher["id"], code=code["code"].lower()),
        ]
        others = [
            *(
                listed("holds.list", **owner)
                for owner in ({**owners[2]}, {"customer": "cus_3"}, {"subscription": "sub_held_1"})
            ),
            *(listed("holds.list", **owners[2], status=[status]) for status in ("open", "lapsed")),
            *(listed(task, **owner) for task in ("billing.list", "reversals.list") for owner in owners[:2]),
            listed("reversals.list", invoice="inv_1"),
            listed("vouchers.history", voucher=voucher["id"]),
            task_named("billing.retrieve")(request={"project": "gigs", "invoice": "inv_1"})["reversals"],
            task_named("generations.retrieve")(request={"project": "gigs", "generation": generated["id"]}),
            task_named("generations.retrieve")(request={"project": "gigs", "requestId": "g1"}),
            listed("dead_letters.list"),
        ]
        explained_of = [
            *(listed("support.explain", **owner) for owner in owners[:2]),
            listed("support.explain", customer="cus_2"),
            listed("support.explain", invoice="inv_1"),
        ]
    assert [len(each["items"]) > 0 for each in redemptions] == [True] * 7 + [False]
    assert len(others) == 15
    assert [each["finding"] for each in explained_of] == ["granted", "granted", "only_refused", "taken"]
    assert len(plans) > 40
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
