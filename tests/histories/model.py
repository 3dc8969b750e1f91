"""The contract as a model in memory: simple, slow, and written from the contract's text.

It keeps what happened as it came, and derives every answer from that. What it cannot know, identities and instants,
it takes from the answer that it is compared with.
"""

from collections.abc import Collection, Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from tests.histories.codes import Codes
from tests.histories.discounting import Discount, Taken, amounts_of, discount_invoice
from tests.histories.holding import DECIDED_WITH_THE_HOLD, Hold, making_way, reserved_by, tidy
from tests.histories.kept import Code, Json, Record, Reversal, Voucher, written

# The verb, the project, and what else makes up the caller's own id.
Key = tuple[str, ...]

REQUESTED_AT_GRACE = timedelta(minutes=15)
RUNNING_MAX = 20
# What a sweep tidies up is judged by the instant and the count, as if it had not come.
JUDGED_BY_LIMITS = {"expired", "maxRedemptionsReached"}


class Model:
    """Everything that has happened, and what the contract says about what happens next."""

    def __init__(self, *, now: datetime) -> None:
        # When the latest of it happened.
        self.now = now
        self.vouchers: list[Voucher] = []
        self.codes = Codes()
        self.discounts: list[Discount] = []
        self.ledger: list[tuple[Discount, Taken]] = []
        self.records: list[Record] = []
        self.holds: list[Hold] = []
        # By project and invoice, and by discount in the order of the ledger.
        self.reversals: dict[tuple[str, str], list[Reversal]] = {}
        self.taken_back: list[tuple[Discount, Reversal]] = []
        # Each body that was answered, with its answer, under the caller's id.
        self.answered: dict[Key, tuple[Json, Json]] = {}

    def move_on(self, at: datetime) -> None:
        """This method will note that something new has happened, which is never before what happened earlier."""
        assert self.now <= at
        self.now = at

    def replay(self, key: Key, *, body: Json, conflict: Json) -> Json | None:
        """This method will answer an id that was used before: as then, or with a conflict where the body is another."""
        if key not in self.answered:
            return None
        first, answer = self.answered[key]
        return answer if first == body else {**conflict, "outcome": "refused", "reason": "idempotency_conflict"}

    def keep(self, key: Key, *, body: Json, answer: Json, at: datetime) -> Json:
        """This method will return a first answer, which from now on is the answer."""
        self.move_on(at)
        self.answered[key] = body, answer
        return answer

    def create(self, body: Json, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
        """This method will answer `vouchers.create`."""
        key = ("create", body["project"], body["requestId"])
        head = {"object": "voucher", "project": body["project"], "requestId": body["requestId"]}
        stored = self.replay(key, body=body, conflict=head)
        if stored is not None:
            return stored
        text = body.get("code")
        if text is not None and not self.codes.is_free(project=body["project"], text=text, at=at):
            return {"invalid": ["code"]}
        assert id is not None
        assert id not in [each.id for each in self.vouchers]
        voucher = Voucher(body=deepcopy(body), id=id, created_at=at)
        self.vouchers.append(voucher)
        if text is not None:
            self.codes.add(Code(text=text, voucher=voucher, created_at=at, id=f"voc_{id.removeprefix('vou_')}"), at=at)
        return self.keep(key, body=body, answer=voucher.answer(), at=at)

    def voucher(self, project: str, id: str) -> Voucher | None:  # noqa: A002 - the field's name
        """This method will return a project's voucher, or None."""
        return next((each for each in self.vouchers if (each.body["project"], each.id) == (project, id)), None)

    def named(self, body: Json) -> tuple[Voucher | None, Code | None]:
        """This method will return what a redemption is about: a voucher, and the code that names it if one does."""
        if "voucher" in body:
            return self.voucher(body["project"], body["voucher"]), None
        code = self.codes.named(project=body["project"], text=body["code"])
        return (code.voucher, code) if code else (None, None)

    def retire(self, body: Json, *, at: datetime) -> Json:
        """This method will answer `vouchers.retire`: the first reason stays."""
        voucher = self.voucher(body["project"], body["voucher"])
        if voucher is None:
            return {"notFound": "voucher"}
        if voucher.retired is None and voucher.has_expired(at):
            voucher.expire()
        if voucher.retired is None:
            voucher.retired = "manualAction", at
            self.move_on(at)
        return voucher.answer()

    def redeem(
        self,
        body: Json,
        *,
        id: str | None,  # noqa: A002 - the field's name
        at: datetime,
        card_is_full: bool = False,
        named: tuple[Voucher, Code | None] | None = None,
    ) -> Json:
        """This method will answer `redemptions.redeem`, or decide on a full stamp card by the same rules.

        So it will on a hold, which names its voucher and code by itself. What was decided with an open hold under the
        id is not decided again.
        """
        names = ("project", "requestId", "customer", "subscription")
        head = {"object": "redemption", "decidedAt": written(at), **{name: body[name] for name in names}}
        nothing = dict.fromkeys(("id", "voucher", "code", "discount", "redemptionNumber"))
        voucher, code = named or self.named(body)
        self.complete(self.granted_to(body), at=at)
        tidy(self.holds, voucher=voucher, body=body, at=at)
        key = ("redeem", body["project"], body["requestId"])
        stored = self.replay(key, body=body, conflict={**head, **nothing})
        if stored is not None:
            return stored
        own = reserved_by(body, self.holds, voucher=voucher, code=code, at=at)
        reason = refusal(
            voucher,
            code,
            body=body,
            running=self.running_on(body, at=at),
            at=at,
            card_is_full=card_is_full,
            waived=DECIDED_WITH_THE_HOLD if own else (),
        )
        answer = {**head, **nothing, "id": id, "outcome": "refused", "reason": reason, "code": body.get("code")}
        if voucher is not None:
            answer |= {"voucher": voucher.id, "code": code.text if code else voucher.body.get("code")}
        if voucher is not None and reason is None:
            aside = making_way(self.holds, voucher=voucher, code=code, body=body, at=at, own=own)
            if aside is None:
                self.move_on(at)
                return {**answer, "id": None, "reason": "fully_reserved", "retryable": True}
            for hold in aside:
                hold.status = "replaced"
        if own is not None:
            own.status = "released" if reason else "confirmed"
        assert id is not None
        assert id not in [answer.get("id") for _, answer in self.answered.values()]
        if voucher is not None and reason is None:
            discount = self.grant(voucher, code, body=body, id=discount_of(id), at=at)
            answer |= {
                "outcome": "accepted",
                "discount": discount.id,
                "redemptionNumber": len(voucher.redeemed_by),
            }
        return self.keep(key, body=body, answer=answer, at=at)

    def granted_to(self, body: Json) -> list[Discount]:
        """This method will return what was granted to a body's subscription, in the order redeemed."""
        where = (body["project"], body["subscription"])
        return [each for each in self.discounts if (each.project, each.subscription) == where]

    def running_on(self, body: Json, *, at: datetime) -> list[Discount]:
        """This method will return what runs on a body's subscription, swept or not."""
        return [each for each in self.granted_to(body) if each.runs_by(at.date())]

    def grant(self, voucher: Voucher, code: Code | None, *, body: Json, id: str, at: datetime) -> Discount:  # noqa: A002 - the field's name
        """This method will count an accepted request, and keep what it is granted with the terms of this moment."""
        voucher.redeemed_by.append(body["customer"])
        if voucher.places_taken() == voucher.restriction("maximumRedemptions") and voucher.retired is None:
            voucher.retired = "maxRedemptionsReached", at
        if code is not None:
            code.redemptions += 1
            if code.redemptions == code.limits.get("maximumRedemptions") and code.retired is None:
                code.retired = "maxRedemptionsReached", at
        requested_at = datetime.fromisoformat(body["requestedAt"]) if "requestedAt" in body else at
        given = datetime.fromisoformat(body["startsOn"]).date() if "startsOn" in body else None
        discount = Discount(
            id=id,
            voucher=voucher.id,
            project=body["project"],
            customer=body["customer"],
            subscription=body["subscription"],
            created_at=at,
            terms=deepcopy(voucher.body),
            code=code,
            starts_on=given or requested_at.date(),
            starts_on_in_utc=given or requested_at.astimezone(UTC).date(),
            siblings=voucher.granted,
            current=lambda: voucher.body,
        )
        voucher.granted.append(discount)
        self.discounts.append(discount)
        return discount

    def apply(self, body: Json, *, at: datetime) -> Json:
        """This method will answer `billing.apply`."""
        names = ("project", "invoice", "subscription", "currency")
        head = {"object": "invoiceDiscount", **{name: body[name] for name in names}}
        key = ("apply", body["project"], body["invoice"])
        nothing: Json = dict.fromkeys(("subtotal", "discountTotal", "total", "appliedAt"))
        stored = self.replay(key, body=body, conflict={**head, **nothing, "lines": [], "discounts": [], "skipped": []})
        if stored is not None:
            return stored
        granted = [each for each in self.granted_to(body) if each.ended_at is None]
        discounts, skipped = discount_invoice(body, granted=granted, at=at)
        # As the ledger has it: in the order in which it was taken.
        by_id = {each.id: each for each in granted}
        self.ledger += [(by_id[each["discount"]], by_id[each["discount"]].taken[-1]) for each in discounts]
        # The others by a sweep, or with the next request on their subscription.
        self.complete([each for each in granted if each.is_over_at_once()], at=at)
        off = {line["id"]: sum(each["lines"].get(line["id"], 0) for each in discounts) for line in body["lines"]}
        subtotal = sum(line["amount"] for line in body["lines"])
        answer = {
            **head,
            "outcome": "applied",
            "reason": None,
            "subtotal": subtotal,
            "discountTotal": sum(off.values()),
            "total": subtotal - sum(off.values()),
            "lines": [
                {
                    "id": line["id"],
                    "amount": line["amount"],
                    "discount": off[line["id"]],
                    "total": line["amount"] - off[line["id"]],
                }
                for line in body["lines"]
            ],
            "discounts": discounts,
            "skipped": skipped,
            "appliedAt": written(at),
        }
        return self.keep(key, body=body, answer=answer, at=at)

    def sweep(self, *, at: datetime) -> Json:
        """This method will answer `expiry.sweep`. Nothing that is decided or discounted later depends on it."""
        expired = [each for each in self.vouchers if each.retired is None and each.has_expired(at)]
        for voucher in expired:
            voucher.expire()
        codes_expired = [each for each in self.codes.all if each.retired is None and each.own_end(at)]
        for code in codes_expired:
            code.retired = code.own_end(at)
        lapsed = [each for each in self.holds if each.status == "open" and each.has_lapsed(at)]
        for hold in lapsed:
            hold.status = "lapsed"
        return {
            "object": "sweep",
            "expired": len(expired),
            "maxRedemptionsReached": 0,
            "completed": self.complete(self.discounts, at=at),
            "codesExpired": len(codes_expired),
            "codesMaxRedemptionsReached": 0,
            "holdsLapsed": len(lapsed),
        }

    @staticmethod
    def complete(discounts: Iterable[Discount], *, at: datetime) -> int:
        """This method will complete those that are over, and count what it did."""
        due = [each for each in discounts if not each.is_completed and each.is_over_by(at.date())]
        for each in due:
            each.is_completed = True
        return len(due)


def refusal(
    voucher: Voucher | None,
    code: Code | None,
    *,
    body: Json,
    running: list[Discount],
    at: datetime,
    card_is_full: bool = False,
    waived: Collection[str] = (),
) -> str | None:
    """This function will return the first reason that is true, in the contract's order."""
    if voucher is None:
        return "voucher_not_found"
    requested_at = datetime.fromisoformat(body["requestedAt"]) if "requestedAt" in body else at
    t = requested_at if at - REQUESTED_AT_GRACE <= requested_at <= at else at
    starts_at, products, minimum = (
        voucher.instant("startsAt"),
        voucher.restriction("products"),
        voucher.restriction("minimumSubtotal"),
    )
    maximum, per_customer = (
        voucher.restriction("maximumRedemptions"),
        voucher.restriction("maximumRedemptionsPerCustomer"),
    )
    amounts = amounts_of(voucher.body)
    own = code.limits if code else {}
    rows = {
        "voucher_retired": voucher.retired is not None and voucher.retired[0] == "manualAction",
        "code_retired": code is not None and code.retired is not None and code.retired[0] not in JUDGED_BY_LIMITS,
        "voucher_not_started": starts_at is not None and t < starts_at,
        "voucher_expired": voucher.has_expired(t),
        "code_expired": code is not None and code.own_end(t) is not None,
        "max_redemptions_reached": maximum is not None and voucher.places_taken() >= maximum,
        "code_max_redemptions_reached": code is not None and code.redemptions == own.get("maximumRedemptions"),
        "code_not_for_customer": own.get("customer", body["customer"]) != body["customer"],
        "customer_limit_reached": per_customer is not None and voucher.places_of(body["customer"]) >= per_customer,
        "already_applied": voucher.id in [each.voucher for each in running],
        "stamp_card_incomplete": voucher.body.get("stampCard") is not None and not card_is_full,
        "product_not_eligible": products is not None and not set(products) & set(body.get("products", [])),
        "currency_mismatch": bool(amounts) and body.get("currency") not in amounts,
        "minimum_subtotal_not_met": minimum is not None
        and (body.get("currency") != minimum["currency"] or body.get("subtotal", -1) < minimum["amount"]),
        "discount_limit_reached": len(running) >= RUNNING_MAX,
    }
    return next((reason for reason, is_so in rows.items() if is_so and reason not in waived), None)


def discount_of(redemption: str) -> str:
    """This function will return the discount of a redemption: they share one identity, under two prefixes."""
    return "dis_" + redemption.removeprefix("red_")
