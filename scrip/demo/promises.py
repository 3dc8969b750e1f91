"""Promises about all answers of the demo together: numbers without a gap, sums, the same answer for the same id."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from scrip.demo.checks import Check, Found, matches
from scrip.demo.client import Exchange, Json, repeated_answers


def family(name: str) -> str:
    """Return a voucher's name without the number, so that numbered vouchers count together."""
    return re.sub(r" \d+$", "", name)


def counters(found: Found, expected: Json) -> Check:
    """Compare how often each voucher was redeemed."""
    counts: Counter[str] = Counter()
    for voucher in found.vouchers:
        counts[family(voucher["name"])] += voucher["redemptions"]
    wanted: Counter[str] = Counter(expected["redemptions"])
    names = sorted(counts | wanted)
    return Check(
        title="redemptions counted by the vouchers",
        expected=wanted.total(),
        found=counts.total(),
        deviations=[f"{name}: {counts[name]}, not {wanted[name]}" for name in names if counts[name] != wanted[name]],
    )


def numbers(found: Found, expected: Json) -> Check:
    """Check that each voucher's redemption numbers are 1, 2, 3 … up to the counter, without a gap."""
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for each in found.redeemed:
        if each.answer["outcome"] == "accepted":
            seen[each.answer["voucher"]].add(each.answer["redemptionNumber"])
    gaps = [
        f"{voucher['name']}: {len(seen[voucher['id']])} numbers for {voucher['redemptions']} redemptions"
        for voucher in found.vouchers
        if seen[voucher["id"]] != set(range(1, voucher["redemptions"] + 1))
    ]
    return Check(title="vouchers numbered 1, 2, 3 … without a gap", expected=sum(expected["retired"].values()),
                 found=len(found.vouchers) - len(gaps), deviations=gaps)  # fmt: skip


def answered_as_written(title: str, exchanges: Sequence[Exchange]) -> Check:
    """Compare answers with the answers that stand beside their requests."""
    deviations = [deviation(each) for each in exchanges if not matches(each.line["answer"], each.answer)]
    return Check(title=title, expected=len(exchanges), found=len(exchanges) - len(deviations), deviations=deviations)


def deviation(each: Exchange) -> str:
    """Return a line with the expected fields that deviate."""
    request, wanted = each.line["request"], each.line["answer"]
    different = {name: value for name, value in wanted.items() if not matches({name: value}, each.answer)}
    given = {name: each.answer.get(name) for name in different}
    return f"{request.get('requestId') or request['invoice']}: {given}, not {different}"


def replayed(title: str, exchanges: Iterable[Exchange], *, key: str, expected: int) -> Check:
    """Check that a repeated request gets the first answer, word for word. `key` is the field of the caller's id."""
    repeated = dict(repeated_answers((each for each in exchanges if each.answer["outcome"] != "invalid"), key))
    unlike = [f"{name}: {answers}" for name, answers in repeated.items() if any(each != answers[0] for each in answers)]
    return Check(title=title, expected=expected, found=len(repeated) - len(unlike), deviations=unlike)


def adds_up(answer: Json) -> bool:
    """Return whether an invoice's lines and discounts sum to its totals and no line is below zero."""
    if answer["outcome"] != "applied":
        return False
    lines, discounts = answer["lines"], answer["discounts"]
    return (
        answer["discountTotal"] == sum(line["discount"] for line in lines) == sum(each["amount"] for each in discounts)
        and answer["total"] == answer["subtotal"] - answer["discountTotal"] == sum(line["total"] for line in lines)
        and all(line["total"] == line["amount"] - line["discount"] >= 0 for line in lines)
        and all(sum(each["lines"].values()) == each["amount"] for each in discounts)
    )


def sums(found: Found) -> Check:
    """Check the arithmetic of every invoice that was to be discounted."""
    wanted = [each for each in found.invoiced if each.line["answer"]["outcome"] == "applied"]
    wrong = [str(each.answer) for each in wanted if not adds_up(each.answer)]
    return Check(title="invoices whose parts sum to their totals", expected=len(wanted), found=len(wanted) - len(wrong),
                 deviations=wrong)  # fmt: skip


def promises(found: Found, expected: Json) -> list[Check]:
    """Check all promises."""
    redeemed = [*found.redeemed, *found.retrieved]
    again, delivered_again = expected["askedAgain"], expected["deliveredAgain"]
    return [
        counters(found, expected),
        numbers(found, expected),
        answered_as_written("answers to redemptions.json", found.examples),
        replayed("redemptions asked for again, answered alike", redeemed, key="requestId", expected=again),
        answered_as_written("invoices of the billing runs", found.runs),
        answered_as_written("invoices of invoices.json", found.stories),
        replayed("invoices delivered again, answered alike", found.invoiced, key="invoice", expected=delivered_again),
        sums(found),
    ]
