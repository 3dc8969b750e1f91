"""Random histories of all that a billing system can ask for, each step compared with the model and audited."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from models.vouchers.voucher import VOUCHERS
from tasks.audit.audit import audit
from tasks.wire.errors import InvalidRequest, NotFound
from tests.histories import bodies as drawn
from tests.histories.bodies import Again, Changed, Fresh, Item, Json, World, in_snake_case, made, meant
from tests.histories.coding import add_codes, retire_code, shown_codes
from tests.histories.holding import Hold
from tests.histories.kept import Code
from tests.histories.model import RUNNING_MAX, Model
from tests.histories.previewing import preview as previewed
from tests.histories.reserving import confirm, release, reserve
from tests.histories.reversing import end, end_subscription, reverse, shown_discount
from tests.histories.stamping import record_usage, usage_items
from tests.histories.updating import update
from tests.support.database import empty_database, violations
from tests.support.tasks import task_named
from worker.database import transaction

# What makes up the caller's own id, by verb; the last of it is new in each fresh request.
ID_FIELDS: dict[str, list[str]] = {
    "create": ["requestId"],
    "update": ["requestId"],
    "add_codes": ["requestId"],
    "redeem": ["requestId"],
    "reserve": ["requestId"],
    "apply": ["invoice"],
    "record": ["project", "voucher", "customer", "ref"],
    "reverse": ["requestId"],
}

CROWD = "One of many"
BOTH = ["available", "retired"]
ONE_PERCENT = {"priceDiscountPercentage": 1, "recurrence": {"type": "forever"}}

INDEX = st.integers(0, 9)
REDEMPTIONS, INVOICES = drawn.items(drawn.REDEMPTIONS), drawn.items(drawn.INVOICES)
RECORDS, RESERVATIONS = drawn.items(drawn.RECORDS), drawn.items(drawn.RESERVATIONS)
# Its end comes right after its beginning: all that a hold's time is compared with is long after that.
LAPSE = text("""
    UPDATE holds SET expires_at = created_at + interval '1 microsecond'
    WHERE project = :project AND request_id = :request_id AND status = 'open'
""")


class Histories(RuleBasedStateMachine):
    """One history on an empty database. A rule asks a task, asks the model, and compares the answers whole."""

    def __init__(self) -> None:
        super().__init__()
        empty_database()
        self.start = datetime.now(UTC).replace(microsecond=0)
        self.model = Model(now=self.start)
        # The bodies that may come again, by verb.
        self.sent: defaultdict[str, list[Json]] = defaultdict(list)
        self.delayed: list[tuple[str, Json]] = []
        self.has_failed = False

    @initialize(
        new=st.lists(drawn.VOUCHERS, min_size=3, max_size=6),
        added=st.lists(drawn.ADDED_CODES, max_size=2),
        redeemed=st.lists(drawn.REDEMPTIONS, min_size=2, max_size=8),
        crowded=drawn.one_in(4, drawn.SUBSCRIPTIONS),
    )
    def begin(self, new: list[Json], added: list[Json], redeemed: list[Json], crowded: str | None) -> None:
        """This step will make something to go on with, and sometimes fill a subscription up but for one place."""
        self.send_all("create", self.bodies_of("create", [Fresh(each) for each in new]))
        self.send_all("add_codes", self.bodies_of("add_codes", [Fresh(each) for each in added]))
        self.redeem_all(self.bodies_of("redeem", [Fresh(each) for each in redeemed]))
        if crowded is not None:
            self.crowd(crowded)

    @rule(item=drawn.items(drawn.VOUCHERS))
    def create(self, item: Item) -> None:
        """This step will create a voucher, or send an earlier creation once more."""
        self.send_all("create", self.bodies_of("create", [item]))

    @rule(drawn_body=drawn.RETIREMENTS)
    def retire(self, drawn_body: Json) -> None:
        """This step will retire a voucher, in its own project or in another one."""
        body = self.made(drawn_body)
        answer = answered(task_named("vouchers.retire"), body)
        self.compare(answer, self.model.retire(body, at=self.happened_at(answer.get("retiredAt"))))

    @rule(item=drawn.items(drawn.UPDATES))
    def update(self, item: Item) -> None:
        """This step will change a voucher, or send an earlier change once more."""
        self.send_all("update", self.bodies_of("update", [item]))

    @rule(item=drawn.items(drawn.ADDED_CODES))
    def add_codes(self, item: Item) -> None:
        """This step will add codes to a voucher, or send an earlier request once more."""
        self.send_all("add_codes", self.bodies_of("add_codes", [item]))

    @precondition(lambda self: self.known_codes())
    @rule(index=INDEX, project=drawn.PROJECTS)
    def retire_code(self, index: int, project: str) -> None:
        """This step will retire a code, in its own project or in another one."""
        known = self.known_codes()
        code = known[index % len(known)]
        answer = answered(task_named("codes.retire"), {"project": project, "code": code.id})
        if project != code.voucher.body["project"]:
            self.compare(answer, {"notFound": "code"})
        else:
            self.compare(answer, retire_code(code, at=self.happened_at(answer["retiredAt"])))

    @rule(item=REDEMPTIONS)
    def redeem(self, item: Item) -> None:
        """This step will redeem by id or by code, or send an earlier request once more."""
        self.send_all("redeem", self.bodies_of("redeem", [item]))

    @rule(items=st.lists(REDEMPTIONS, min_size=2, max_size=10))
    def redeem_many(self, items: list[Item]) -> None:
        """This step will redeem a batch, whose requests may repeat or contradict each other."""
        self.redeem_all(self.bodies_of("redeem", items))

    @rule(items=st.lists(RESERVATIONS, min_size=1, max_size=3))
    def reserve(self, items: list[Item]) -> None:
        """This step will hold places, or send earlier requests for them once more."""
        self.send_all("reserve", self.bodies_of("reserve", items))

    @precondition(lambda self: self.model.holds)
    @rule(picks=st.lists(drawn.HOLDS, min_size=1, max_size=3))
    def confirm(self, picks: list[Json]) -> None:
        """This step will confirm holds: open ones, and those that are over or were confirmed before."""
        for pick in picks:
            hold = self.picked(pick)
            answer = task_named("redemptions.confirm")(request=named(hold, **pick))
            at = self.happened_at(answer["decidedAt"])
            self.compare(answer, confirm(self.model, hold, id=answer["id"], at=at))

    @precondition(lambda self: self.model.holds)
    @rule(picks=st.lists(drawn.HOLDS, min_size=1, max_size=3), changed=drawn.ANOTHER_BODY)
    def redeem_held(self, picks: list[Json], changed: Json) -> None:
        """This step will redeem under the ids of holds, with their bodies or with another one."""
        self.redeem_all([{**self.picked(pick).body, **changed} for pick in picks])

    @precondition(lambda self: self.model.holds)
    @rule(pick=drawn.HOLDS)
    def release(self, pick: Json) -> None:
        """This step will release a hold, whatever has become of it."""
        hold = self.picked(pick)
        self.compare(task_named("redemptions.release")(request=named(hold, **pick)), release(self.model, hold))

    @precondition(lambda self: self.model.holds)
    @rule(pick=drawn.HOLDS)
    def lapse(self, pick: Json) -> None:
        """This step will let the time of a hold pass. What has become of one that is over was before its end."""
        hold = self.picked(pick)
        if hold.status != "open":
            return
        key = {"project": hold.body["project"], "request_id": hold.body["requestId"]}
        with transaction() as session:
            session.execute(LAPSE, key)
        hold.lapse()

    @rule(item=INVOICES)
    def apply(self, item: Item) -> None:
        """This step will discount an invoice, or send an earlier one once more."""
        self.send_all("apply", self.bodies_of("apply", [item]))

    @rule(items=st.lists(INVOICES, min_size=2, max_size=10))
    def apply_many(self, items: list[Item]) -> None:
        """This step will discount a batch of invoices: several periods, subscriptions and currencies, in any order."""
        self.apply_all(self.bodies_of("apply", items))

    @rule(items=st.lists(RECORDS, min_size=1, max_size=4))
    def record(self, items: list[Item]) -> None:
        """This step will record what customers used, and collect stamps."""
        self.send_all("record", self.bodies_of("record", items))

    @rule(redemption=REDEMPTIONS, invoices=st.lists(INVOICES, min_size=1, max_size=3))
    def hold_back(self, redemption: Item, invoices: list[Item]) -> None:
        """This step will write requests that arrive later, or after their own duplicates."""
        self.delayed += [("redeem", each) for each in self.bodies_of("redeem", [redemption])]
        self.delayed += [("apply", each) for each in self.bodies_of("apply", invoices)]

    @precondition(lambda self: self.delayed)
    @rule(picks=st.lists(INDEX, min_size=1, max_size=6))
    def let_arrive(self, picks: list[int]) -> None:
        """This step will send what was held back, in another order."""
        for pick in picks[: len(self.delayed)]:
            verb, body = self.delayed.pop(pick % len(self.delayed))
            self.send_all(verb, [body])

    @precondition(lambda self: self.invoices())
    @rule(item=drawn.items(drawn.REVERSALS))
    def reverse(self, item: Item) -> None:
        """This step will void or refund an invoice, or send an earlier reversal once more."""
        self.send_all("reverse", self.bodies_of("reverse", [item]))

    @precondition(lambda self: self.invoices())
    @rule(item=drawn.REVERSALS)
    def reverse_without_an_id(self, item: Json) -> None:
        """This step will void an invoice as often as it likes: the first void stays."""
        body = {name: each for name, each in self.made(item).items() if name != "lines"}
        body["reason"] = "voided" if body["reason"] == "refunded" else body["reason"]
        self.send_all("reverse", [body])

    @precondition(lambda self: self.model.discounts)
    @rule(index=INDEX, project=drawn.PROJECTS)
    def end_discount(self, index: int, project: str) -> None:
        """This step will end a discount, in its own project or in another one."""
        discount = self.model.discounts[index % len(self.model.discounts)]
        answer = answered(task_named("discounts.end"), {"project": project, "discount": discount.id})
        if project != discount.project:
            self.compare(answer, {"notFound": "discount"})
        else:
            self.compare(answer, end(self.model, discount, at=self.happened_at(answer["endedAt"])))

    @precondition(lambda self: self.model.reversals)
    @rule(place=drawn.body(project=drawn.PROJECTS, subscription=drawn.SUBSCRIPTIONS))
    def end_subscription(self, place: Json) -> None:
        """This step will end all that a subscription was granted."""
        answer = task_named("subscriptions.end")(request=place)
        self.compare(answer, end_subscription(self.model, place, at=self.happened_at(answer["endedAt"])))

    @rule(drawn_body=drawn.PLANS)
    def preview(self, drawn_body: Json) -> None:
        """This step will look at what a plan would be billed. No answer of a later step may depend on it."""
        body = self.made(drawn_body)
        answer = task_named("billing.preview")(request=body)
        at = max(datetime.now(UTC), self.model.now)
        self.compare(answer["periods"], previewed(self.model, body, at=at))

    @rule()
    def sweep(self) -> None:
        """This step will sweep. No answer of a later step may depend on it."""
        answer = task_named("expiry.sweep")(request={})
        self.compare(answer, self.model.sweep(at=datetime.now(UTC)))

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        """This check will follow every step."""
        assert violations() == []

    def teardown(self) -> None:
        """This method will end the history: every voucher as the model has it, every request answered as at first."""
        if self.has_failed:
            return
        for project in ("gigs", "other"):
            listed = task_named("vouchers.list")(request={"project": project, "status": BOTH, "limit": 200})["items"]
            kept = [each for each in self.model.vouchers[::-1] if each.body["project"] == project]
            self.compare(listed, [each.answer() for each in kept])
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
        assert audit() == []

    def bodies_of(self, verb: str, items: Sequence[Item]) -> list[Json]:
        """This method will return what is sent for drawn requests. A first one cannot come again: it is left out."""
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
        """This method will return what was sent first under each of the callers' ids."""
        return [body for key, (body, _) in self.model.answered.items() if key[0] == verb]

    def made(self, body: Json) -> Json:
        """This method will fill in what was not known when a body was drawn."""
        kept = self.model.vouchers
        world = World(
            start=self.start,
            vouchers=[each.id for each in kept],
            cards=[each.id for each in kept if "stampCard" in each.body],
            codes=[each.text for each in self.model.codes.all],
            invoices=self.invoices(),
        )
        filled: Json = made(body, world=world)
        return filled

    def send_all(self, verb: str, bodies: Sequence[Json]) -> None:
        """This method will send the bodies one by one."""
        for body in bodies:
            match verb:
                case "create":
                    self.check_created(body, answer=answered(task_named("vouchers.create"), body))
                case "update":
                    self.check_updated(body, answer=answered(task_named("vouchers.update"), body))
                case "add_codes":
                    self.check_added(body, answer=answered(task_named("vouchers.add_codes"), body))
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
                case "apply":
                    self.check_applied(body, answer=task_named("billing.apply")(request=body))

    def redeem_all(self, bodies: Sequence[Json]) -> None:
        """This method will redeem a batch, which the model decides one by one."""
        answers = task_named("redemptions.redeem_many")(request={"requests": bodies})["items"] if bodies else []
        for body, answer in zip(bodies, answers, strict=True):
            self.check_redeemed(body, answer=answer)

    def apply_all(self, bodies: Sequence[Json]) -> None:
        """This method will discount a batch of invoices, which the model discounts one by one."""
        answers = task_named("billing.apply_many")(request={"invoices": bodies})["items"] if bodies else []
        for body, answer in zip(bodies, answers, strict=True):
            self.check_applied(body, answer=answer)

    def check_created(self, body: Json, *, answer: Json) -> None:
        """This method will compare the voucher that was created."""
        at = self.happened_at(answer.get("createdAt"))
        self.compare(answer, self.model.create(meant(body), id=answer.get("id"), at=at))

    def check_updated(self, body: Json, *, answer: Json) -> None:
        """This method will compare what a change has led to."""
        # The answer does not say when it was.
        with transaction() as session:
            times = session.execute(select(VOUCHERS.c.updated_at).order_by(VOUCHERS.c.updated_at.desc().nulls_last()))
            at = times.scalars().first()
        self.compare(answer, update(self.model, meant(body), at=max(at or self.start, self.model.now)))

    def check_added(self, body: Json, *, answer: Json) -> None:
        """This method will compare the codes that were added."""
        items = answer.get("items", [])
        at = self.happened_at(items[0]["createdAt"] if items else None)
        self.compare(answer, add_codes(self.model, meant(body), ids=[each["id"] for each in items], at=at))

    def picked(self, pick: Json) -> Hold:
        """This method will return one of the holds, the latest first."""
        known = self.model.holds
        return known[-1 - int(pick["index"]) % len(known)]

    def invoices(self) -> list[str]:
        """This method will return the invoices that were applied, those with a discount before the others."""
        applied = [(key[2], answer) for key, (_, answer) in self.model.answered.items() if key[0] == "apply"]
        return [each for each, _ in sorted(applied, key=lambda one: not one[1]["discounts"])]

    def known_codes(self) -> list[Code]:
        """This method will return the codes whose ids were shown."""
        return [each for each in self.model.codes.all if each.id is not None]

    def check_redeemed(self, body: Json, *, answer: Json) -> None:
        """This method will compare a redemption's answer with the model's."""
        at = self.happened_at(answer["decidedAt"])
        self.compare(answer, self.model.redeem(meant(body), id=answer["id"], at=at))

    def check_applied(self, body: Json, *, answer: Json) -> None:
        """This method will compare an invoice's answer with the model's."""
        self.compare(answer, self.model.apply(meant(body), at=self.happened_at(answer["appliedAt"])))

    def check_reversed(self, body: Json, *, answer: Json) -> None:
        """This method will compare what was taken back."""
        at = self.happened_at(answer.get("reversedAt"))
        self.compare(answer, reverse(self.model, meant(body), answered=answer, at=at))

    def compare(self, answer: object, expected: object) -> None:
        """This method will fail the history where an answer is not the model's, field by field."""
        if isinstance(expected, dict) and "invalid" in expected:
            # In any order: the contract promises that each is named.
            expected = {"invalid": sorted(expected["invalid"])}
        self.has_failed = answer != expected
        assert answer == expected

    def crowd(self, subscription: str) -> None:
        """This method will have a subscription run one discount less than it may, each of another voucher."""
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
        """This method will return the instant that an answer names, or else this one."""
        now = datetime.now(UTC)
        at = now if text is None else datetime.fromisoformat(text)
        assert at <= now
        return at


def named(hold: Hold, *, by_request: bool, **_: object) -> Json:
    """This function will return how a hold is named, by its own id or by its request's."""
    name = {"requestId": hold.body["requestId"]} if by_request else {"hold": hold.answer["id"]}
    return {"project": hold.body["project"], **name}


def answered(task: Callable[..., Json], body: Json) -> Json:
    """This function will return what a task answers, or which fields it finds wrong, or what it does not find."""
    try:
        return task(request=body)
    except InvalidRequest as error:
        return {"invalid": sorted(each["field"] for each in error.errors)}
    except NotFound as error:
        return {"notFound": str(error)}


def run(number: int | None = None, **options: Any) -> None:
    """This function will run histories, of that seed if any. Slowness says nothing, on a machine with other work."""
    quiet = settings(suppress_health_check=list(HealthCheck), print_blob=True, **options)
    # A class of its own: the seed would stay with the one that it is given to.
    machine = Histories if number is None else seed(number)(type("SeededHistories", (Histories,), {}))
    run_state_machine_as_test(machine, settings=quiet)


@pytest.mark.usefixtures("database")
def test_every_step_of_a_history_is_answered_as_the_contract_says():
    """The same histories in every run."""
    # What is found is shown as it was found: to make it smaller takes minutes.
    run(max_examples=15, stateful_step_count=20, derandomize=True, database=None, phases=[Phase.generate])


@pytest.mark.scale
@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.usefixtures("database")
def test_so_is_every_step_of_ten_thousand_histories(number: int):
    """A thousand for each seed, the same ones in every run; half an hour on two quiet cores."""
    run(number, max_examples=1_000, stateful_step_count=12, database=None)
