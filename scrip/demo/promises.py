"""What must be true of all answers of the demo together: numbers without a gap, sums, one answer for each id."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from scrip.demo.checks import Check, Found, matches
from scrip.demo.client import Exchange, Json, alike


def family(name: str) -> str:
    """This function will return a voucher's name without its number: gifts and stacked vouchers count together."""
    return re.sub(r" \d+$", "", name)


def counters(found: Found, expected: Json) -> Check:
    """This function will compare how often each voucher was redeemed."""
    counts: Counter[str] = Counter()
    for voucher in found.vouchers:
        counts[family(voucher["name"])] += voucher["redemptions"]
    wanted: Counter[str] = Counter(expected["redemptions"])
    names = sorted(counts | wanted)
    return Check(
        what="redemptions counted by the vouchers",
        expected=wanted.total(),
        found=counts.total(),
        deviations=[f"{name}: {counts[name]}, not {wanted[name]}" for name in names if counts[name] != wanted[name]],
    )


def numbers(found: Found, expected: Json) -> Check:
    """This function will check that each voucher's redemption numbers are 1, 2, 3 … to its counter, without a gap."""
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for each in found.redeemed:
        if each.answer["outcome"] == "accepted":
            seen[each.answer["voucher"]].add(each.answer["redemptionNumber"])
    gaps = [
        f"{voucher['name']}: {len(seen[voucher['id']])} numbers for {voucher['redemptions']} redemptions"
        for voucher in found.vouchers
        if seen[voucher["id"]] != set(range(1, voucher["redemptions"] + 1))
    ]
    return Check(what="vouchers numbered 1, 2, 3 … without a gap", expected=sum(expected["retired"].values()),
                 found=len(found.vouchers) - len(gaps), deviations=gaps)  # fmt: skip


def answered_as_written(what: str, answered: Sequence[Exchange]) -> Check:
    """This function will compare answers with those that stand beside their requests."""
    deviations = [deviation(each) for each in answered if not matches(each.line["answer"], each.answer)]
    return Check(what=what, expected=len(answered), found=len(answered) - len(deviations), deviations=deviations)


def deviation(each: Exchange) -> str:
    """This function will say in which of the expected fields an answer deviates."""
    request, wanted = each.line["request"], each.line["answer"]
    different = {name: value for name, value in wanted.items() if not matches({name: value}, each.answer)}
    answered = {name: each.answer.get(name) for name in different}
    return f"{request.get('requestId') or request['invoice']}: {answered}, not {different}"


def replayed(what: str, answered: Iterable[Exchange], *, key: str, expected: int) -> Check:
    """This function will check that who asks again gets the first answer, word for word; `key` is the caller's id."""
    repeated = dict(alike((each for each in answered if each.answer["outcome"] != "invalid"), key))
    unlike = [f"{name}: {answers}" for name, answers in repeated.items() if any(each != answers[0] for each in answers)]
    return Check(what=what, expected=expected, found=len(repeated) - len(unlike), deviations=unlike)


def adds_up(answer: Json) -> bool:
    """This function will say whether an invoice's parts sum to its totals and no line is below zero."""
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
    """This function will check the arithmetic of every invoice that was to be discounted."""
    wanted = [each for each in found.invoiced if each.line["answer"]["outcome"] == "applied"]
    wrong = [str(each.answer) for each in wanted if not adds_up(each.answer)]
    return Check(what="invoices whose parts sum to their totals", expected=len(wanted), found=len(wanted) - len(wrong),
                 deviations=wrong)  # fmt: skip


def promises(found: Found, expected: Json) -> list[Check]:
    """This function will check what must be true of all answers together."""
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
