"""The history checker finds every fault planted into invoices, credits and reversals."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.history import Json
from tests.faults.invented import FIXED, ONCE, REPEATED, Invented
from tests.faults.invented_answers import credit_answered
from tests.faults.planting import Plant, bill, change, credit, forget, names_found, reverse

(CREDIT,) = credit_answered("inv_6", share=250)["answer"]["credits"]
CREDIT_REFUSED: Json = {"outcome": "refused", "refusedLine": "credit"}


def refuse_credit(reason: str, **fields: Any) -> Plant:
    """Return a planted fault that refuses a credit at the end."""

    def plant(invented: Invented) -> None:
        invented.credit("late", "inv_10", **fields)
        invented.change("late", answer={**CREDIT_REFUSED, "reason": reason})

    return plant


def credit_after_the_charge_back(invented: Invented) -> None:
    """Credit a line that was given back."""
    invented.credit("late", "inv_10", of="inv_8", share=1, amount=1)


def show_a_credit_that_was_taken_back(invented: Invented) -> None:
    """Credit a line of an invoice that has no other reversal, take the credit back, and show it all the same."""
    invented.credit("late", "inv_10", of="inv_9", share=0, amount=1)
    invented.reverse("late back", "inv_10", credits_of="late")
    invented.repeat("charged2", reversed={"kind": "credited"})


INVOICES = [
    (
        "an invoice that is not discounted",
        "invoice without its discount",
        change("applied", answer={"discounts": [], "discountTotal": 0}),
    ),
    ("a budget exceeded by one", "budget overspent", bill("more", "inv_4", voucher=ONCE, discount="once", amount=101)),
    ("a second invoice for once", "once used twice", bill("more", "inv_4", voucher=ONCE, discount="once", amount=1)),
    ("an invoice voided twice", "given back twice", reverse("v2", "inv_1")),
    (
        "one cent too much given back",
        "given back too much",
        change("voided", answer={"discounts": [{"discount": "dis_again", "reverses": "", "usage": "", "amount": 801}]}),
    ),
    (
        "one cent too little given back",
        "given back too little",
        change("voided", answer={"discounts": [{"discount": "dis_again", "reverses": "", "usage": "", "amount": 799}]}),
    ),
    (
        "a first reversal refused",
        "reversal refused",
        change("voided", answer={"outcome": "refused", "reason": "already_reversed"}),
    ),
    ("a void that is not shown", "reversal shown wrongly", change("applied repeated", answer={"reversed": None})),
    (
        "a reversal of another kind",
        "reversal shown wrongly",
        change("applied repeated", answer={"reversed": {"kind": "refunded"}}),
    ),
    (
        "a reversal of an invoice that nobody reversed",
        "reversal shown wrongly",
        change("applied2", answer={"reversed": {"kind": "voided"}}),
    ),
    ("another amount after a void", "two answers", change("applied repeated", answer={"discountTotal": 0})),
    ("a charge-back doubled", "given back twice", reverse("again", "inv_8", kind="charged_back")),
    (
        "a charge-back that gives too much back",
        "line returned too much",
        reverse("again", "inv_8", kind="charged_back", amount=1, discount="fixed", voucher=FIXED),
    ),
    (
        "an allowance taken twice in a cycle",
        "allowance exceeded",
        bill("more", "inv_10", amount=1, voucher=FIXED, discount="fixed", subscription="sub_fixed"),
    ),
    (
        "an allowance that a charge-back has not given back",
        "allowance exceeded",
        forget("charged_back"),
    ),
    (
        "more than a maximum in all",
        "maximum in all exceeded",
        change(FIXED, answer={"maximumDiscountInAll": {"amount": 999, "currency": "USD"}}),
    ),
    (
        "a fifth month of four",
        "cycles exceeded",
        bill(
            "more",
            "inv_10",
            amount=1,
            voucher=REPEATED,
            discount="repeated",
            subscription="sub_new",
            period={"start": "2027-06-01", "end": "2027-07-01"},
        ),
    ),
]
CREDITS = [
    ("a credit told twice", "credit doubled", change("credited", answer={"credits": [CREDIT, CREDIT]})),
    ("a credit that is not told", "credit lost", change("credited2", answer={"credits": []})),
    ("a credit of another line", "credit lost", change("credited2", answer={"credits": [CREDIT]})),
    ("a credit without its share", "credits do not add up", change("credited", answer={"discountTotal": 0})),
    ("a line credited too much by one", "line returned too much", credit("late", "inv_10", share=0, amount=1)),
    ("a credit after a charge-back", "line returned too much", credit_after_the_charge_back),
    ("a credit that is not taken back", "line returned too much", forget("taken_back")),
    ("a reversal without its credits", "credit not taken back", change("taken_back", answer={"discounts": []})),
    (
        "a share too small by one",
        "share not due",
        change("refunded", answer={"lines": [{"id": "base", "amount": 4_000, "discountShare": 399}]}),
    ),
    (
        "a share of the discount given back twice",
        "given back too much",
        credit("late", "inv_10", share=250, amount=1),
    ),
    (
        "a ledger entry in two credits",
        "ledger entry told twice",
        change("credited2", answer={"credits": [{**CREDIT, "amount": 1_000, "discountShare": 100}]}),
    ),
    ("a credit that is not shown", "reversal shown wrongly", change("billed repeated", answer={"reversed": None})),
    ("a credit shown after it was taken back", "reversal shown wrongly", show_a_credit_that_was_taken_back),
    ("an invoice unknown after its answer", "credit refused", refuse_credit("invoice_not_found", share=0, of="inv_9")),
    ("a credit refused as too much", "credit refused", refuse_credit("amount_exceeds_line", share=100, of="inv_9")),
    ("a credit refused as reversed", "credit refused", refuse_credit("already_reversed", share=100, of="inv_9")),
    ("a line that is there", "credit refused", refuse_credit("line_not_found", share=100, of="inv_9")),
    ("the same currency", "credit refused", refuse_credit("currency_mismatch", share=100, of="inv_9")),
    (
        "a refund refused as too much",
        "reversal refused",
        change("refunded", answer={"outcome": "refused", "reason": "amount_exceeds_line"}),
    ),
    (
        "a charge-back refused as refunded",
        "reversal refused",
        change("charged_back", answer={"outcome": "refused", "reason": "already_refunded"}),
    ),
]


@pytest.mark.parametrize(("fault", "finding", "plant"), [*INVOICES, *CREDITS])
def test_a_planted_fault_is_found(fault: str, finding: str, plant: Plant):
    """Each fault alone, and under its own name."""
    assert finding in names_found(plant), fault


def test_a_discount_that_is_rounded_to_nothing_is_no_missing_discount():
    """The invoice names it as skipped, with the reason."""

    def round_to_nothing(invented: Invented) -> None:
        (given,) = invented.askings["applied"].answer["discounts"]
        skipped = [{"discount": given["discount"], "reason": "nothing_left"}]
        invented.change("applied", answer={"discounts": [], "discountTotal": 0, "skipped": skipped})
        del invented.askings["voided"]

    assert "invoice without its discount" not in names_found(round_to_nothing)


def test_a_credit_may_be_refused_until_its_invoice_is_answered_and_then_be_accepted():
    """The refusal is not stored."""

    def credit_too_early(invented: Invented) -> None:
        accepted = invented.askings["credited"]
        invented.askings["early"] = replace(
            accepted, sent_at=0, answered_at=1, answer={**CREDIT_REFUSED, "reason": "invoice_not_found"}
        )

    assert names_found(credit_too_early) == set()


def test_a_credit_may_be_refused_if_a_refund_sent_before_has_left_too_little():
    """The refund was not answered yet."""

    def credit_during_the_refund(invented: Invented) -> None:
        refuse_credit("amount_exceeds_line", share=400)(invented)
        invented.change("late", sent_at=invented.askings["refunded"].sent_at)

    assert names_found(credit_during_the_refund) == set()


def test_what_others_have_used_of_a_credit_comes_on_top_if_the_credit_is_taken_back():
    """Both invoices keep their discounts."""

    def use_what_a_credit_gave_back(invented: Invented) -> None:
        invented.credit("late", "inv_10", of="inv_9", discount="fixed", voucher=FIXED, share=100)
        invented.bill("use", "inv_11", amount=100, voucher=FIXED, discount="fixed", subscription="sub_fixed")
        invented.reverse("late back", "inv_10", credits_of="late")

    assert names_found(use_what_a_credit_gave_back) == set()


def test_a_credit_may_stay_if_its_line_was_given_back_before():
    """Nothing of the line is left to be given again."""

    def void_both(invented: Invented) -> None:
        invented.credit("late", "inv_10", of="inv_9", discount="fixed", voucher=FIXED, share=100)
        invented.reverse("credited void", "inv_9", amount=900, discount="fixed", voucher=FIXED)
        invented.reverse("late void", "inv_10")

    assert names_found(void_both) == set()
