"""A redemption request for each reason, in order of precedence, with the answer."""

from datetime import datetime, timedelta

from catalogue import PROJECT, Json, id_of, instant


def example(about: str, answer: str | Json, **fields: object) -> Json:
    """Return a request with the answer and an explanation. A bare text as the answer is the reason of a refusal."""
    if isinstance(answer, str):
        answer = {"outcome": "refused", "reason": answer}
    return {"about": about, "request": {"project": PROJECT} | fields, "answer": answer}


def accepted(code: str | None, number: int | None = None) -> Json:
    """Return the answer of an accepted redemption, with the redemption number if it is certain."""
    return {"outcome": "accepted", "reason": None, "code": code} | ({"redemptionNumber": number} if number else {})


def redemption_examples(now: datetime) -> list[Json]:
    """Return the requests, to be sent as a single `redemptions.redeem_many` after the first wave.

    The function is longer than 40 lines because it is a list, to be read from top to bottom.
    """
    ada = {"customer": "cus_ada", "subscription": "sub_ada"}
    bob = {"customer": "cus_bob", "subscription": "sub_bob"}
    summer: Json = {"requestId": "order-1001", "code": "summer", **ada, "products": ["prod_basic"], "currency": "USD",
                    "subtotal": 12000, "startsOn": "2026-03-01", "requestedAt": instant(now)}  # fmt: skip
    six_minutes_ago = instant(now - timedelta(minutes=6))
    return [
        example("Accepted; a code is matched without regard to case", accepted("SUMMER", 1), **summer),
        example("The same request again gets the same answer", accepted("SUMMER", 1), **summer),
        example("The same request id with another body", "idempotency_conflict", **summer | {"subtotal": 13000}),
        example("Nobody issued this code", "voucher_not_found",
                requestId="order-1002", code="WINTER", **ada),
        example("The voucher of another project is not visible", "voucher_not_found",
                **summer | {"project": "another-tenant"}),
        example("Retired by hand", "voucher_retired",
                requestId="order-1003", code="BYHAND", **ada),
        example("It starts next week", "voucher_not_started",
                requestId="order-1004", code="NOTYET", **ada),
        example("It ended twenty minutes ago", "voucher_expired",
                requestId="order-1005", code="LONGOVER", **ada),
        example("Asked a minute before it ended, decided after it", accepted("JUSTOVER"),
                requestId="order-1006", code="JUSTOVER", **ada, requestedAt=six_minutes_ago),
        example("The only redemption of a voucher", accepted("ONLYONE", 1),
                requestId="order-1007", code="ONLYONE", **ada),
        example("One too many", "max_redemptions_reached",
                requestId="order-1008", code="ONLYONE", **bob),
        example("A customer's second, where there is one for each customer", "customer_limit_reached",
                **summer | {"requestId": "order-1009", "subscription": "sub_ada_2"}),
        example("Ten percent for ever", accepted("LOYAL10"),
                requestId="order-1010", code="LOYAL10", **bob),
        example("The same voucher is running on this subscription", "already_applied",
                requestId="order-1011", code="LOYAL10", **bob),
        example("Half price for data; this is a basic plan", "product_not_eligible",
                requestId="order-1012", code="DATA50", **bob, products=["prod_basic"]),
        example("It takes off dollars, euros or yen", "currency_mismatch",
                requestId="order-1013", code="FIVEOFF", **bob, currency="GBP"),
        example("A cent less than fifty dollars", "minimum_subtotal_not_met",
                requestId="order-1014", code="MINIMUM50", **bob, currency="USD", subtotal=4999),
        example("Twenty discounts run on this subscription already", "discount_limit_reached",
                requestId="order-1015", code="LOYAL10", customer="cus_crowded_0", subscription="sub_crowded_0"),
        example("A voucher without a code is named by its id", accepted(None, 1),
                requestId="order-1016", voucher=id_of("Partner campaign"), **bob),
        example("Two vouchers carry this code: it names the newest", accepted("SPRING", 1),
                requestId="order-1017", code="Spring", **bob),
        example("A misspelt restriction is never ignored", {"outcome": "invalid"},
                requestId="order-1018", code="LOYAL10", **bob, maximumRedemption=1),
    ]  # fmt: skip


# The redemptions of the vouchers by the accepted examples.
REDEMPTIONS = {"Monthly Basic 15%": 1, "Just over": 1, "Only one": 1, "Loyalty": 1, "Partner campaign": 1,
               "Spring this year": 1}  # fmt: skip
