"""A story of vouchers, codes, holds and usages: changed, generated, held, counted and retired."""

from collections.abc import Generator

from tests.projects.calls import Answer, Call
from tests.projects.stories.billing import GIGS, bill, redemption
from tests.support.requests import voucher_body

COFFEE = {
    "stampCard": {"stamps": 2},
    "priceDiscount": {"amount": 350, "currency": "USD"},
    "recurrence": {"type": "once"},
}
PAST = "2020-01-01T00:00:00Z"
GUESSES = 11


def catalogue() -> Generator[Call, list[Answer], None]:
    """Change the catalogue, hold places, record usages, guess codes, and sweep."""
    created = yield Call(
        "vouchers.create",
        [
            voucher_body(name="Codes", code="MAIN"),
            voucher_body(name="Held", restrictions={"maximumRedemptions": 3}),
            voucher_body(name="Coffee", **COFFEE),
            voucher_body(name="Expired", code="OLD", restrictions={"expiresAt": PAST}),
        ],
    )
    codes, held, coffee, expired = (each["id"] for each in created)
    yield from changed(codes)
    yield from with_budget()
    yield from with_codes(codes)
    yield from with_holds(held)
    yield from with_usages(coffee)
    yield Call("expiry.sweep", [{}])
    yield from guesses(codes)
    yield from lists([codes, held, coffee, expired])


def changed(voucher: str) -> Generator[Call, list[Answer], None]:
    """Update a voucher, twice by the same id."""
    update = {**GIGS, "voucher": voucher, "requestId": "update-1", "actor": "anna", "name": "Many codes"}
    yield Call(
        "vouchers.update",
        [update, update, {**update, "name": "Conflict"}, {**GIGS, "voucher": voucher, "code": "Main"}],
    )
    yield Call("vouchers.create", [voucher_body(code="main"), voucher_body(code="OLD", name="Takes over")])


def with_budget() -> Generator[Call, list[Answer], None]:
    """Take a currency out of a budget."""
    amounts = {"amount": 1_000, "currency": "USD"}
    body = voucher_body(name="Budget", budget={**amounts, "currencyOptions": {"EUR": 900}})
    (created,) = yield Call("vouchers.create", [body])
    yield Call("vouchers.update", [{**GIGS, "voucher": created["id"], "budget": amounts}])
    yield Call("vouchers.retrieve", [{**GIGS, "voucher": created["id"]}])


def with_codes(voucher: str) -> Generator[Call, list[Answer], None]:
    """Add, generate, redeem and retire codes."""
    new = [
        {"code": "ANNA", "customer": "cus_1"},
        {"code": "TWICE", "maximumRedemptions": 1},
        {"code": "LATE", "expiresAt": PAST},
    ]
    adding = {**GIGS, "voucher": voucher, "codes": new, "requestId": "codes-1"}
    (added, *_) = yield Call("vouchers.add_codes", [adding, adding, {**adding, "requestId": "codes-2"}])
    generating = {**GIGS, "voucher": voucher, "count": 5, "requestId": "generate-1"}
    yield Call("vouchers.generate_codes", [generating, generating, {**generating, "count": 6}])
    yield Call("generations.retrieve", [{**GIGS, "requestId": "generate-1"}])
    yield Call(
        "redemptions.redeem",
        [
            redemption(1, code="ANNA"),
            redemption(2, customer=2, subscription=2, code="ANNA"),
            redemption(3, customer=2, subscription=2, code="TWICE"),
            redemption(4, customer=3, subscription=3, code="TWICE"),
            redemption(5, customer=3, subscription=3, code="LATE"),
            redemption(6, customer=4, subscription=4, code="MAIN"),
            redemption(7, customer=4, subscription=5, code="OLD"),
        ],
    )
    anna = added["items"][0]["id"]
    yield Call("codes.retire", [{**GIGS, "code": anna, "actor": "anna"}, {**GIGS, "code": anna}])
    yield Call("support.explain", [{**GIGS, "customer": f"cus_{each}"} for each in (1, 2, 3, 4)])
    yield Call(
        "redemptions.validate",
        [
            {**GIGS, "customer": "cus_1", "subscription": "sub_1", "code": each}
            for each in ("ANNA", "MAIN", "TWICE", "NONE")
        ],
    )


def with_holds(voucher: str) -> Generator[Call, list[Answer], None]:
    """Hold places in a batch, and replace, confirm, release and redeem them."""
    held = yield Call(
        "redemptions.reserve",
        [
            redemption(20, customer=20, subscription=20, voucher=voucher),
            redemption(20, customer=20, subscription=20, voucher=voucher),
            redemption(21, customer=21, subscription=21, voucher=voucher),
            redemption(22, customer=22, subscription=22, voucher=voucher),
            redemption(23, customer=23, subscription=23, voucher=voucher),
            redemption(24, customer=21, subscription=21, voucher=voucher),
            redemption(25, customer=25, subscription=25, code="NONE"),
        ],
    )
    first = held[0]["id"]
    yield Call(
        "redemptions.redeem",
        [
            redemption(26, customer=22, subscription=22, voucher=voucher),
            redemption(27, customer=27, subscription=27, voucher=voucher),
        ],
    )
    yield Call(
        "redemptions.confirm",
        [{**GIGS, "hold": first}, {**GIGS, "requestId": "order-20"}, {**GIGS, "requestId": "order-99"}],
    )
    yield Call("redemptions.release", [{**GIGS, "requestId": "order-24"}, {**GIGS, "hold": first}])
    yield Call("redemptions.reserve", [redemption(28, customer=28, subscription=28, voucher=voucher)])
    of_holds = [{**GIGS, "voucher": voucher}, {**GIGS, "customer": "cus_20"}, {**GIGS, "subscription": "sub_21"}]
    every = ["open", "confirmed", "released", "replaced", "lapsed"]
    yield Call(
        "holds.list",
        [*of_holds, *({**each, "limit": 1} for each in of_holds), *({**each, "status": every} for each in of_holds)],
    )
    yield Call(
        "support.explain",
        [
            {**GIGS, name: f"{prefix}_{each}"}
            for name, prefix in (("customer", "cus"), ("subscription", "sub"))
            for each in (20, 21, 22, 25)
        ],
    )


def with_usages(voucher: str) -> Generator[Call, list[Answer], None]:
    """Record usages and stamps, and complete a card."""
    usage = {**GIGS, "voucher": voucher, "customer": "cus_1"}
    stamp = {**usage, "stamp": 1, "subscription": "sub_1", "currency": "USD"}
    yield Call(
        "usages.record",
        [{**usage, "ref": "receipt-1", "usage": 2}, {**usage, "ref": "receipt-2", "amount": 300, "currency": "USD"}],
    )
    yield Call("usages.record", [{**stamp, "ref": f"receipt-{number}"} for number in (3, 4, 4, 5)])
    yield Call(
        "usages.record", [{**stamp, "ref": "receipt-3", "customer": "cus_2"}, {**stamp, "ref": "receipt-3", "stamp": 2}]
    )
    yield Call("billing.apply", [bill(1), bill(2, subscription=2)])
    yield Call("usages.list", [{**GIGS, "voucher": voucher}, usage, {**GIGS, "voucher": voucher, "limit": 1}])


def guesses(voucher: str) -> Generator[Call, list[Answer], None]:
    """Try unknown codes until the customer has to wait: at the 21st, and not at the 11th because of the other's."""
    for task in ("redemptions.redeem", "redemptions.reserve"):
        first = {"redemptions.redeem": 100, "redemptions.reserve": 200}[task]
        yield Call(
            task, [redemption(first + each, customer=9, subscription=9, code=f"GUESS{each}") for each in range(GUESSES)]
        )
    yield Call(
        "redemptions.redeem",
        [
            redemption(300, customer=9, subscription=9, code="MAIN"),
            redemption(301, customer=9, subscription=9, voucher=voucher),
        ],
    )


def lists(vouchers: list[str]) -> Generator[Call, list[Answer], None]:
    """List and retire everything."""
    of_vouchers = [{**GIGS, "voucher": each} for each in vouchers]
    yield Call("vouchers.list", [GIGS, {**GIGS, "limit": 1}, {**GIGS, "code": "OLD"}, {**GIGS, "status": ["retired"]}])
    yield Call("codes.list", [*of_vouchers[1:], *({**each, "status": ["retired"]} for each in of_vouchers)])
    yield Call("vouchers.history", [*of_vouchers, *({**each, "limit": 1} for each in of_vouchers)])
    yield Call("gigs.vouchers.list", [{**GIGS, "limit": 2}])
    yield Call("gigs.vouchers.retrieve", of_vouchers)
    yield Call("vouchers.retire", [*of_vouchers, of_vouchers[0]])
    yield Call("gigs.vouchers.retire", of_vouchers)
    yield Call("vouchers.retrieve", of_vouchers)
