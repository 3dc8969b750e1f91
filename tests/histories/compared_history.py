"""Random histories: sending requests to the tasks and to the model, and comparing the answers."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select

from models.vouchers.voucher import VOUCHERS
from tasks.audit.audit import audit
from tasks.wire.errors import InvalidRequest, NotFound
from tests.histories.applying import apply
from tests.histories.changing import extend, move
from tests.histories.code_tasks import add_codes, shown_codes
from tests.histories.ending import shown_discount
from tests.histories.entities import Code
from tests.histories.hold_rules import Hold
from tests.histories.hold_tasks import reserve
from tests.histories.importing import import_discount
from tests.histories.model import Model
from tests.histories.placeholders import Again, Changed, Fresh, Item, Json, World, in_snake_case, made, meant
from tests.histories.previewing import preview
from tests.histories.redeeming import redeem
from tests.histories.refusals import RUNNING_MAX
from tests.histories.reversing import reverse
from tests.histories.sharing import refunded_of
from tests.histories.stamping import in_one_order, record_usage, usage_items
from tests.histories.updating import update
from tests.support.database_between_tests import empty_database
from tests.support.tasks import task_named
from worker.database import transaction

# The parts of the caller's id, by verb. The last part is new in each fresh request.
ID_FIELDS: dict[str, list[str]] = {
    "create": ["requestId"],
    "update": ["requestId"],
    "add_codes": ["requestId"],
    "redeem": ["requestId"],
    "reserve": ["requestId"],
    "apply": ["invoice"],
    "record": ["project", "voucher", "customer", "ref"],
    "reverse": ["requestId"],
    "move": ["requestId"],
    "extend": ["requestId"],
    "import": ["ref"],
}

BOTH = ["available", "retired"]
CROWD = "One of many"
ONE_PERCENT = {"priceDiscountPercentage": 1, "recurrence": {"type": "forever"}}


class ComparedHistory(RuleBasedStateMachine):
    """A history on an empty database. The steps are in the subclass in test_histories.py."""

    def __init__(self) -> None:
        super().__init__()
        empty_database()
        self.start = datetime.now(UTC).replace(microsecond=0)
        self.model = Model(now=self.start)
        # The bodies that may be repeated, by verb.
        self.sent: defaultdict[str, list[Json]] = defaultdict(list)
        self.delayed: list[tuple[str, Json]] = []
        self.has_failed = False

    def teardown(self) -> None:
        """End the history: compare every row with the model, and replay every request."""
        if self.has_failed:
            return
        for project in ("gigs", "other"):
            listed = task_named("vouchers.list")(request={"project": project, "status": BOTH, "limit": 200})["items"]
            kept = [each for each in self.model.vouchers[::-1] if each.body["project"] == project]
            self.compare(listed, [self.model.shown(each) for each in kept])
            for subscription in ("sub_1", "sub_2"):
                place = {"project": project, "subscription": subscription}
                granted = sorted(self.model.granted_to(place), key=lambda each: each.id, reverse=True)
                items = task_named("discounts.list")(request={**place, "limit": 200})["items"]
                self.compare(items, [shown_discount(each) for each in granted])
        for voucher in self.model.vouchers:
            if voucher.body["name"] == CROWD:
                continue
            reference = {"project": voucher.body["project"], "voucher": voucher.id}
            self.compare(task_named("usages.list")(request=reference)["items"], usage_items(self.model, voucher))
            shown = task_named("codes.list")(request={**reference, "status": BOTH, "limit": 200})["items"]
            self.compare(shown, shown_codes(self.model, voucher, items=shown))
        self.redeem_all(self.first_bodies("redeem"))
        self.send_all("reserve", self.first_bodies("reserve"))
        self.apply_all(self.first_bodies("apply"))
        self.send_all("move", self.first_bodies("move"))
        self.send_all("extend", self.first_bodies("extend"))
        self.send_all("import", self.first_bodies("import"))
        assert audit() == []

    def bodies_of(self, verb: str, items: Sequence[Item]) -> list[Json]:
        """Return the bodies of drawn requests. A repetition without an earlier request is left out."""
        sent, id_fields = self.sent[verb], ID_FIELDS[verb]
        bodies: list[Json] = []
        for item in items:
            match item:
                case Fresh(body):
                    sent.append({**self.made(body), id_fields[-1]: f"{verb}-{len(sent)}"})
                    bodies.append(sent[-1])
                case Again(index, is_respelt) if sent:
                    earlier = sent[index % len(sent)]
                    bodies.append(in_snake_case(earlier) if is_respelt else earlier)
                case Changed(index, body) if sent:
                    earlier = sent[index % len(sent)]
                    bodies.append({**self.made(body), **{field: earlier[field] for field in id_fields}})
        return bodies

    def first_bodies(self, verb: str) -> list[Json]:
        """Return the first body under each of the callers' ids."""
        return [body for key, (body, _) in self.model.answered.items() if key[0] == verb]

    def made(self, body: Json) -> Json:
        """Return a drawn body with all placeholders filled in."""
        kept = self.model.vouchers
        world = World(
            start=self.start,
            vouchers=[each.id for each in kept],
            cards=[each.id for each in kept if "stampCard" in each.body],
            codes=[each.text for each in self.model.codes.all],
            invoices=self.invoices(),
            discounts=[each.id for each in self.model.discounts[::-1]],
            **self.billed(),
        )
        filled: Json = made(body, world=world)
        return filled

    def send_all(self, verb: str, bodies: Sequence[Json]) -> None:
        """Send the bodies in order, and compare the answers."""
        for body in bodies:
            match verb:
                case "create" | "update" | "add_codes":
                    check = {"create": self.check_created, "update": self.check_updated, "add_codes": self.check_added}
                    check[verb](body, answer=answered(task_named(f"vouchers.{verb}"), body))
                case "redeem":
                    self.check_redeemed(body, answer=task_named("redemptions.redeem")(request=body))
                case "reserve":
                    answer = task_named("redemptions.reserve")(request=body)
                    at = self.happened_at(answer["decidedAt"])
                    self.compare(answer, reserve(self.model, meant(body), id=answer["id"], at=at))
                case "record":
                    answer = answered(task_named("usages.record"), body)
                    self.compare(answer, record_usage(self.model, meant(body), answered=answer))
                case "reverse":
                    self.check_reversed(body, answer=answered(task_named("billing.reverse"), body))
                case "move" | "extend":
                    self.check_changed(verb, body, answer=answered(task_named(f"discounts.{verb}"), body))
                case "import":
                    self.check_imported(body, answer=answered(task_named("discounts.import"), body))
                case "apply":
                    self.check_applied(body, answer=task_named("billing.apply")(request=body))

    def redeem_all(self, bodies: Sequence[Json]) -> None:
        """Redeem a batch, which the model decides request by request."""
        answers = task_named("redemptions.redeem_many")(request={"requests": bodies})["items"] if bodies else []
        for body, answer in zip(bodies, answers, strict=True):
            self.check_redeemed(body, answer=answer)

    def apply_all(self, bodies: Sequence[Json]) -> None:
        """Discount a batch of invoices, which the model discounts invoice by invoice."""
        answers = task_named("billing.apply_many")(request={"invoices": bodies})["items"] if bodies else []
        for body, answer in zip(bodies, answers, strict=True):
            self.check_applied(body, answer=answer)

    def check_created(self, body: Json, *, answer: Json) -> None:
        """Compare a created voucher."""
        at = self.happened_at(answer.get("createdAt"))
        self.compare(answer, self.model.create(meant(body), id=answer.get("id"), at=at))

    def check_updated(self, body: Json, *, answer: Json) -> None:
        """Compare the answer to a change."""
        # The answer has no instant.
        with transaction() as session:
            times = session.execute(select(VOUCHERS.c.updated_at).order_by(VOUCHERS.c.updated_at.desc().nulls_last()))
            at = times.scalars().first()
        self.compare(answer, update(self.model, meant(body), at=max(at or self.start, self.model.now)))

    def check_added(self, body: Json, *, answer: Json) -> None:
        """Compare added codes."""
        items = answer.get("items", [])
        at = self.happened_at(items[0]["createdAt"] if items else None)
        self.compare(answer, add_codes(self.model, meant(body), ids=[each["id"] for each in items], at=at))

    def picked(self, pick: Json) -> Hold:
        """Return the hold of that index, counted from the latest."""
        known = self.model.holds
        return known[-1 - int(pick["index"]) % len(known)]

    def invoices(self) -> list[str]:
        """Return the ids of applied invoices, those with a discount first."""
        applied = [(key[2], answer) for key, (_, answer) in self.model.answered.items() if key[0] == "apply"]
        return [each for each, _ in sorted(applied, key=lambda one: not one[1]["discounts"])]

    def billed(self) -> Json:
        """Return the invoices for placeholders: those with a credit line, all that were sent, and the rest of lines."""
        sent = {each["invoice"]: meant(each) for each in self.sent["apply"]}
        sent |= {key[2]: body for key, (body, _) in self.model.answered.items() if key[0] == "apply"}
        crediting = [each.invoice for each in self.model.credits[::-1]]
        left = {
            (invoice, line["id"]): line["amount"]
            - refunded_of(line["id"], self.model.reversals.get((body["project"], invoice), []))
            for invoice, body in sent.items()
            for line in body["lines"]
        }
        return {"crediting": list(dict.fromkeys(crediting)), "sent": sent, "left": left}

    def known_codes(self) -> list[Code]:
        """Return the codes with known ids."""
        return [each for each in self.model.codes.all if each.id is not None]

    def check_redeemed(self, body: Json, *, answer: Json) -> None:
        """Compare the answer to a redemption."""
        at = self.happened_at(answer["decidedAt"])
        self.compare(answer, redeem(self.model, meant(body), id=answer["id"], at=at))

    def check_imported(self, body: Json, *, answer: Json) -> None:
        """Compare the answer to a discount that ran elsewhere."""
        at = self.happened_at(answer.get("importedAt"))
        self.compare(answer, import_discount(self.model, meant(body), id=answer.get("discount"), at=at))

    def check_applied(self, body: Json, *, answer: Json) -> None:
        """Compare the answer to an invoice."""
        at = self.happened_at(answer["appliedAt"])
        self.compare(answer, apply(self.model, meant(body), answered=answer, at=at))

    def check_previewed(self, body: Json) -> Json:
        """Preview, compare the answer, and return it."""
        answer: Json = task_named("billing.preview")(request=body)
        decided = [each["decidedAt"] for each in answer["redeem"]]
        at = self.happened_at(decided[0]) if decided else max(datetime.now(UTC), self.model.now)
        expected = preview(self.model, body, at=at)
        self.compare({name: answer[name] for name in expected}, expected)
        return answer

    def check_reversed(self, body: Json, *, answer: Json) -> None:
        """Compare the answer to a reversal."""
        at = self.happened_at(answer.get("reversedAt"))
        self.compare(answer, reverse(self.model, meant(body), answered=answer, at=at))

    def check_changed(self, verb: str, body: Json, *, answer: Json) -> None:
        """Compare the answer to a move or an extension of a discount."""
        history = answer.get("history", [])
        at = self.happened_at(history[0]["at"] if history else None)
        change = {"move": move, "extend": extend}[verb]
        self.compare(answer, change(self.model, meant(body), at=at))

    def compare(self, answer: object, expected: object) -> None:
        """Fail the history if an answer differs from the model's, field by field."""
        if isinstance(expected, dict) and "invalid" in expected:
            # The contract does not promise an order of the fields.
            expected = {"invalid": sorted(expected["invalid"])}
        answer = known_to_model(answer)
        self.has_failed = answer != expected
        assert answer == expected

    def crowd(self, subscription: str) -> None:
        """Fill a subscription with discounts of different vouchers, except for the last place."""
        requests: list[Json] = []
        for index in range(RUNNING_MAX - 1):
            body = {"project": "gigs", "requestId": f"crowd-{index}", "name": CROWD, **ONE_PERCENT}
            answer = task_named("vouchers.create")(request=body)
            self.check_created(body, answer=answer)
            place = {"project": "gigs", "subscription": subscription, "startsOn": "2024-01-31"}
            requests.append({**place, "requestId": f"crowd-{index}", "voucher": answer["id"], "customer": "cus_3"})
        self.redeem_all(requests)

    @staticmethod
    def happened_at(text: str | None) -> datetime:
        """Return the instant in an answer, or else the current instant."""
        now = datetime.now(UTC)
        at = now if text is None else datetime.fromisoformat(text)
        assert at <= now
        return at


def known_to_model(answer: Any) -> Any:
    """Return an answer without what no answer tells the model: ids of ledger entries, and instants of sweeps.

    Discounts say only whether they were changed and completed.
    """
    if isinstance(answer, list):
        return [known_to_model(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    known = {name: known_to_model(each) for name, each in answer.items()}
    if "usageRefs" in answer:
        known["usageRefs"] = in_one_order(known["usageRefs"])
    if "refType" in answer and "voucher" not in answer:
        # The id of an entry of a usage list.
        del known["id"]
    if answer.get("object") == "discount" and "id" in answer:
        known |= {name: answer[name] is not None for name in ("updatedAt", "completedAt")}
    return known


def named(hold: Hold, *, by_request: bool, **_: object) -> Json:
    """Return a reference to a hold, by the hold id or by the request id."""
    name = {"requestId": hold.body["requestId"]} if by_request else {"hold": hold.answer["id"]}
    return {"project": hold.body["project"], **name}


def answered(task: Callable[..., Json], body: Json) -> Json:
    """Return the answer of a task, or the invalid fields, or the missing object."""
    try:
        return task(request=body)
    except InvalidRequest as error:
        return {"invalid": sorted(each["field"] for each in error.errors)}
    except NotFound as error:
        return {"notFound": str(error)}
