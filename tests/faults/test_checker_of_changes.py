"""The history checker finds every fault planted into moves and extensions of discounts."""

import pytest

from tests.faults.invented import REPEATED, Invented
from tests.faults.invented_answers import UNLIMITED, change_answered
from tests.faults.planting import FAILED, Plant, bill, change, names_found, redeem

MOVED, EXTENDED = change_answered("extended", "moved")["answer"]["history"]


def refuse_move(reason: str) -> Plant:
    """Return a planted fault that refuses a move to a subscription that nobody has."""

    def plant(invented: Invented) -> None:
        request = change_answered("extended", "moved", "elsewhere", subscription="sub_free")["request"]
        invented.ask("elsewhere", "discounts.move", request, {"outcome": "refused", "reason": reason})

    return plant


@pytest.mark.parametrize(
    ("fault", "finding", "plant"),
    [
        ("a move done twice", "change done twice", change("moved", answer={"history": [MOVED, MOVED, EXTENDED]})),
        ("a move that is not in its answer", "change lost", change("moved", answer={"history": [EXTENDED]})),
        ("an extension that a later move forgets", "change lost", change("moved", answer={"history": [MOVED]})),
        (
            "an extension by the double",
            "change does not follow",
            change("moved", answer={"history": [MOVED, {**EXTENDED, "to": {"durationInMonths": 5}}]}),
        ),
        (
            "an extension done twice",
            "change done twice",
            change("moved", answer={"history": [MOVED, EXTENDED, EXTENDED]}),
        ),
        (
            "a move from a subscription where the discount was not",
            "change does not follow",
            change("moved", answer={"history": [{**MOVED, "from": {"subscription": "sub_free"}}, EXTENDED]}),
        ),
        (
            "an answer with another history",
            "histories differ",
            change("extended", answer={"history": [{**EXTENDED, "actor": "kim"}]}),
        ),
        (
            "an answer with the old subscription",
            "change told wrongly",
            change("moved", answer={"subscription": "sub_old"}),
        ),
        (
            "a refused move that was done",
            "refused and yet done",
            change("moved", answer={"history": [{**MOVED, "note": "stayed"}, EXTENDED]}),
        ),
        ("applied where nobody is", "change refused", refuse_move("already_applied")),
        ("held where nobody is", "change refused", refuse_move("fully_reserved")),
        ("completed with months to come", "change refused", refuse_move("discount_completed")),
        (
            "a redemption refused where the discount was",
            "eligible, but refused",
            change("back", answer={"outcome": "refused", "reason": "already_applied"}),
        ),
        (
            "a discount on the old subscription",
            "discount elsewhere",
            bill("more", "inv_10", amount=1, voucher=REPEATED, discount="repeated", subscription="sub_old"),
        ),
        (
            "two discounts of a voucher on a subscription",
            "voucher runs twice",
            redeem("late", voucher=UNLIMITED, number=3, subscription="sub_1"),
        ),
        ("an extension that fails", "failure", change("extended", **FAILED)),
    ],
)
def test_a_planted_fault_is_found(fault: str, finding: str, plant: Plant):
    """Each fault alone, and under its own name."""
    assert finding in names_found(plant), fault


def test_an_invoice_sent_before_a_move_was_told_may_have_the_discount_or_not():
    """It is discounted before the move, on the old subscription, or after it, and then not."""
    fields = {"voucher": REPEATED, "discount": "repeated", "subscription": "sub_old"}

    def bill_during_the_move(invented: Invented) -> None:
        invented.bill("early", "inv_10", amount=1, **fields)
        invented.change("early", sent_at=invented.askings["moved"].sent_at)

    assert names_found(bill_during_the_move) == set()
