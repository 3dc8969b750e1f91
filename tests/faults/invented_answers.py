"""Requests with their answers, for the invented history: invoices, credits, reversals, and changes of a discount."""

from tests.faults.history import Json

PROJECT = "gigs"
UNLIMITED = "vou_unlimited"
FEBRUARY = {"start": "2027-02-01", "end": "2027-03-01"}


def invoice_answered(
    invoice: str,
    *,
    amount: int,
    voucher: str = UNLIMITED,
    discount: str = "again",
    subscription: str | None = None,
    period: Json = FEBRUARY,
) -> dict[str, Json]:
    """Return an invoice with a line that gets a tenth off, and its answer."""
    shown = {"discount": f"dis_{discount}", "voucher": voucher, "amount": amount, "lines": {"base": amount}}
    line = {"id": "base", "amount": amount * 10 or 8_000}
    own = {"subscription": subscription or SUBSCRIPTIONS[discount], "currency": "USD"}
    answer = {
        **own,
        "discountTotal": amount,
        "lines": [{**line, "discount": amount}],
        "discounts": [shown] if amount else [],
        "credits": [],
        "skipped": [],
        "reversed": None,
    }
    request = {"project": PROJECT, "invoice": invoice, **own, "period": period, "lines": [line]}
    return {"request": request, "answer": answer}


SUBSCRIPTIONS = {"again": "sub_1", "once": "sub_2"}


def credit_answered(
    invoice: str,
    *,
    share: int,
    of: str = "inv_5",
    amount: int | None = None,
    voucher: str = "vou_repeated",
    discount: str = "repeated",
) -> dict[str, Json]:
    """Return an invoice that credits a part of a line, and its answer. The share is a tenth, unless told otherwise."""
    credited, amount = {"invoice": of, "line": "base"}, amount or share * 10
    line = {"id": "credit", "amount": -amount}
    given = {
        "discount": f"dis_{discount}",
        "voucher": voucher,
        "amount": share,
        "usage": f"use_{invoice}",
        "reverses": f"use_{of}",
    }
    own = {"subscription": "sub_new", "currency": "USD"}
    answer = {
        **own,
        "discountTotal": -share,
        "lines": [{**line, "discount": -share}],
        "discounts": [],
        "credits": [
            {
                "line": "credit",
                "creditOf": credited,
                "amount": amount,
                "discountShare": share,
                "discounts": [given],
            }
        ],
        "skipped": [],
        "reversed": None,
    }
    lines = [{**line, "creditOf": credited}]
    request = {"project": PROJECT, "invoice": invoice, **own, "period": FEBRUARY, "lines": lines}
    return {"request": request, "answer": answer}


def reversal_answered(
    request_id: str,
    *,
    invoice: str,
    kind: str = "voided",
    amount: int = 0,
    voucher: str = UNLIMITED,
    discount: str = "again",
    credits_: list[Json],
) -> dict[str, Json]:
    """Return a reversal of an amount off and of the credits of the invoice, and its answer."""
    lines = [{"id": "base", "amount": amount * 10, "discountShare": amount}] if amount else []
    own = {"discount": f"dis_{discount}", "voucher": voucher, "reverses": f"use_{invoice}", "amount": amount}
    shares = [share for each in credits_ for share in each["discounts"]]
    taken = [
        {**each, "reverses": each["usage"], "usage": f"{each['usage']}_{request_id}", "amount": -each["amount"]}
        for each in shares
    ]
    refunded = {"lines": [{"id": "base", "amount": amount * 10}]} if kind == "refunded" else {}
    return {
        "request": {"requestId": request_id, "invoice": invoice, "kind": kind, **refunded},
        "answer": {
            "id": f"rev_{request_id}",
            "currency": "USD",
            "discountTotal": amount - sum(each["amount"] for each in shares),
            "lines": lines + [{"id": each["line"], "amount": -each["amount"], "discountShare": 0} for each in credits_],
            "discounts": ([{**own, "usage": f"use_{request_id}"}] if amount else []) + taken,
        },
    }


def change_answered(*notes: str, **fields: str | int) -> dict[str, Json]:
    """Return the last of these changes of a discount, and its answer. The notes name the changes in their order."""
    history = [{**CHANGES[each], "note": each} for each in reversed(notes) if each in CHANGES]
    signed = {"requestId": notes[-1], "note": notes[-1], "actor": "anna"}
    return {
        "request": {"project": PROJECT, "discount": "dis_repeated", **signed, **fields},
        "answer": {
            "id": "dis_repeated",
            "voucher": "vou_repeated",
            "customer": "cus_repeated",
            "subscription": "sub_new" if "moved" in notes else "sub_old",
            "recurrence": {"type": "repeating", "durationInMonths": 4},
            "history": history,
        },
    }


CHANGES = {
    "extended": {"kind": "extended", "from": {"durationInMonths": 3}, "to": {"durationInMonths": 4}},
    "moved": {"kind": "moved", "from": {"subscription": "sub_old"}, "to": {"subscription": "sub_new"}},
}
