"""Short stories of unusual invoices, each on a separate subscription."""

from datetime import date
from typing import Any

from catalogue import PROJECT, Json
from invoicing import invoice, lines


def month(subscription: str, number: int, **more: Any) -> Json:
    """Return the invoice of a calendar month of 2025."""
    return invoice(
        subscription,
        f"inv_{subscription.removeprefix('sub_')}_{number}",
        date(2025, number, 1),
        date(2025, number + 1, 1),
        **more,
    )


def gives(amount: int, *discounts: Json, skipped: tuple[str, ...] = (), **more: Any) -> Json:
    """Return the answer to an invoice with this discount total."""
    skips = [{"reason": reason} for reason in skipped]
    return {"outcome": "applied", "discountTotal": amount, "discounts": list(discounts), "skipped": skips} | more


def story(about: str, subscription: str, vouchers: list[str], *invoices: tuple[Json, Json], **more: Any) -> Json:
    """Return a story: the vouchers that a subscription redeems, then the invoices in the order of arrival."""
    answered = [{"request": body, "answer": answer} for body, answer in invoices]
    return {"about": about, "subscription": subscription, "customer": subscription.replace("sub_", "cus_"),
            "vouchers": vouchers, "startsOn": "2025-01-01"} | more | {"invoices": answered}  # fmt: skip


def of(amount: int, cycle: int, **more: Any) -> Json:
    """Return the part of an answer about a discount: the amount and the cycle."""
    return {"amount": amount, "cycle": cycle} | more


def trial() -> Json:
    """Return the story of a trial that starts nothing: the three months are the three invoices after the trial."""
    days = [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31),
            date(2025, 6, 30)]  # fmt: skip
    bodies = [
        invoice("sub_trial", f"inv_trial_{n + 1}", days[n], days[n + 1], trial=n == 0, lines=lines(base=8000))
        for n in range(5)
    ]
    paid = [gives(999, of(999, cycle, fullPriceFrom="2025-05-28")) for cycle in (1, 2, 3)]
    answers = [gives(0, skipped=("trial",)), *paid, gives(0)]
    about = "A trial is not discounted and starts nothing"
    return story(about, "sub_trial", ["THREE999"], *zip(bodies, answers, strict=True))


def one_period() -> Json:
    """Return the story of several invoices in a cycle, which share the allowance of a fixed voucher."""
    bodies = [
        month("sub_one_period", 1) | {"invoice": f"inv_one_period_1{letter}", "lines": lines(base=amount)}
        for letter, amount in (("a", 300), ("b", 1000), ("c", 400))
    ]
    answers = [gives(300, of(300, 1)), gives(200, of(200, 1)), gives(0, skipped=("nothing_left",))]
    about = "Five dollars for a period are one allowance for all its invoices"
    return story(about, "sub_one_period", ["FIVEOFF"], *zip(bodies, answers, strict=True))


def twice() -> Json:
    """Return the story of an invoice that is delivered twice, and of another invoice under the same id."""
    body = month("sub_twice", 1, lines=lines(base=4300))
    answer = gives(430, of(430, 1))
    other = body | {"lines": lines(base=9900)}
    conflict: Json = {"outcome": "refused", "reason": "idempotency_conflict"}
    about = "Delivered twice, discounted once; another invoice under the same id is refused"
    return story(about, "sub_twice", ["LOYAL10"], (body, answer), (body, answer), (other, conflict))


def out_of_order() -> Json:
    """Return the story of March, which arrives after May and moves the window back."""
    arriving = [(5, "2035-05-01"), (3, "2035-03-01"), (4, "2035-03-01")]
    invoices = [
        (month("sub_late", number, lines=lines(base=4000)), gives(200, of(200, cycle, fullPriceFrom=ends_on)))
        for cycle, (number, ends_on) in enumerate(arriving, start=1)
    ]
    about = "March arrives after May: the ten years begin in March after all"
    return story(about, "sub_late", ["TENYEARS"], *invoices)


def currencies() -> Json:
    """Return the story of a subscription that is billed in four currencies in turn."""
    billed = [("USD", 500), ("EUR", 450), ("JPY", 700)]
    invoices = [
        (month("sub_currencies", cycle, currency=currency, lines=lines(base=2500)), gives(amount, of(amount, cycle)))
        for cycle, (currency, amount) in enumerate(billed, start=1)
    ]
    pounds = month("sub_currencies", 4, currency="GBP", lines=lines(base=2500))
    invoices.append((pounds, gives(0, skipped=("currency_mismatch",))))
    about = "A fixed voucher takes off what it names for the invoice's currency, and nothing in pounds"
    return story(about, "sub_currencies", ["FIVEOFF"], *invoices)


def stacked() -> Json:
    """Return the story of two discounts on an invoice: 50 % of the data first, then 10 % of the rest."""
    first = gives(2465, of(1850, 1), of(615, 1), lines=[
        {"id": "base", "amount": 4300, "discount": 430, "total": 3870},
        {"id": "data", "amount": 3700, "discount": 2035, "total": 1665},
    ])  # fmt: skip
    second = gives(430, of(430, 2), skipped=("product_not_eligible",))
    about = "The voucher that is restricted to products comes first, though it was redeemed last"
    return story(
        about,
        "sub_stacked",
        ["LOYAL10", "DATA50"],
        (month("sub_stacked", 1, lines=lines(base=4300, data=3700)), first),
        (month("sub_stacked", 2, lines=lines(base=4300)), second),
    )


def one_off() -> Json:
    """Return the story of an order without a period."""
    body = {"project": PROJECT, "invoice": "inv_one_off", "subscription": "sub_one_off", "customer": "cus_one_off",
            "currency": "USD", "lines": lines(base=999)}  # fmt: skip
    about = "A one-off purchase has no period"
    return story(about, "sub_one_off", ["WELCOME30"], (body, gives(301, of(301, 1), total=698)))


def not_discountable() -> Json:
    """Return the story of an invoice without a discountable line: a `once` voucher is not used up."""
    fee = [{"id": "fee", "amount": 500, "discountable": False}]
    about = "An invoice with nothing to take off uses up no `once`; then the first that has something does"
    answer: Json = {"outcome": "applied", "discountTotal": 0, "total": 500, "discounts": []}
    return story(
        about,
        "sub_fee_first",
        ["WELCOME30"],
        (month("sub_fee_first", 1, lines=fee), answer),
        (month("sub_fee_first", 2, lines=lines(base=2500)), gives(753, of(753, 1))),
        (month("sub_fee_first", 3, lines=lines(base=2500)), gives(0)),
    )


def before_start() -> Json:
    """Return the story of a period that was over before the redemption."""
    about = "A period counts when it ends after the voucher's start"
    return story(
        about,
        "sub_before",
        ["LOYAL10"],
        (month("sub_before", 1, lines=lines(base=2500)), gives(0, skipped=("before_start",))),
        (month("sub_before", 2, lines=lines(base=2500)), gives(250, of(250, 1))),
        startsOn="2025-02-15",
    )


def stories() -> list[Json]:
    """Return all stories. The invoices of a story arrive in order."""
    return [trial(), one_period(), twice(), out_of_order(), currencies(), stacked(), one_off(), not_discountable(),
            before_start()]  # fmt: skip
