"""Erasing a customer: a pseudonym is in the place of the id everywhere, and nothing else changes."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from kombu.compression import compress, decompress
from sqlalchemy import text

from tasks.customers.erase import _end, _run, _steps, erase_customer
from tasks.customers.messages import EraseCustomer
from tasks.usages.card_requests import card_request_id
from tasks.wire.dead_letters import give_up
from tasks.wire.fields import uuid_of
from tests.customers.erasing import (
    CARD,
    CUSTOMER,
    DIGEST,
    Requests,
    begun,
    do_everything,
    erase,
    everything,
    pseudonyms,
    told,
)
from tests.support.administrator import as_administrator
from tests.support.concurrency import until_somebody_waits
from tests.support.holds import reserve
from tests.support.requests import (
    add_codes,
    apply,
    create_voucher,
    record,
    redeem,
    redemption,
    usage,
)
from tests.support.tasks import task_named
from worker.database import run_in_transaction, transaction
from worker.intake.delivery import Original
from worker.intake.shown_request import summary

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def requests() -> Requests:
    """Let the customer do all that leaves a row, and return the requests."""
    return do_everything()


def test_the_id_is_in_no_row_afterwards(requests: Requests) -> None:
    """Of any table, in any column, in any spelling."""
    assert told(everything()).count(repr(CUSTOMER)[1:-1]) > len(requests)
    answer = erase()
    assert (answer["outcome"], answer["rows"] > len(requests)) == ("erased", True)
    rows = everything()
    assert not [name for name, found in rows.items() if CUSTOMER in told(found) or repr(CUSTOMER)[1:-1] in told(found)]
    stored = "".join(json.dumps(found, default=str) for found in rows.values())
    assert "cus " not in stored
    assert len(pseudonyms()) == 1


def test_nothing_but_the_id_changes(requests: Requests) -> None:  # noqa: ARG001 - leaves rows
    """Amounts, counts, ids, instants and answers stay; the audit is clean, as after every test."""
    before = everything()
    erase()
    after = everything()
    (pseudonym,) = pseudonyms()
    # The count of unknown codes is deleted.
    for name in before.keys() - {"customer_erasures", "failed_attempts"}:
        assert shown(before[name], pseudonym) == shown(after[name], pseudonym), name


def shown(rows: list[dict[str, Any]], pseudonym: str) -> list[str]:
    """Return rows in which the id and the pseudonym are the same, without fingerprints and the digests of cards."""
    kept = (repr({name: each for name, each in row.items() if name != "fingerprint"}) for row in rows)
    named = (each.replace(pseudonym, "CUSTOMER").replace(repr(CUSTOMER)[1:-1], "CUSTOMER") for each in kept)
    return sorted(DIGEST.sub("usage-", each) for each in named)


def test_a_repeated_request_has_no_effect_and_brings_no_row_back(requests: Requests) -> None:
    """Each is a conflict now: the stored fingerprint is no longer that of the body."""
    erase()
    before = everything()
    for task, request in requests:
        assert task_named(task)(request=request)["reason"] == "idempotency_conflict", task
    assert everything() == before


def test_a_repeated_write_of_an_operator_is_answered_as_before_unless_its_body_has_the_customer() -> None:
    """The answer has the pseudonym. With the customer in the body, it is a conflict."""
    voucher = create_voucher()["id"]
    codes = {"voucher": voucher, "codes": [{"code": "MINE", "customer": "cus_1"}], "requestId": "codes-1"}
    end = {"subscription": "sub_1", "requestId": "end-1"}
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1")
    task_named("vouchers.add_codes")(request={"project": "gigs", **codes})
    first = task_named("subscriptions.end")(request={"project": "gigs", **end})
    erase("cus_1")
    before = everything()
    assert task_named("vouchers.add_codes")(request={"project": "gigs", **codes})["reason"] == "idempotency_conflict"
    again = task_named("subscriptions.end")(request={"project": "gigs", **end})
    assert json.dumps(again) == json.dumps(first).replace("cus_1", pseudonyms().pop())
    assert everything() == before


def test_a_second_erasure_finds_nothing_left(requests: Requests) -> None:  # noqa: ARG001
    """Of another request, or of a call without any id. It leaves a row of its own, without the customer's id."""
    first = erase(actor="Kim")
    before = everything()
    assert first["rows"] > 0
    assert erase(actor="Anna")["rows"] == 0
    after = everything()
    erasures = after.pop("customer_erasures")
    assert [(each["customer"], each["actor"]) for each in erasures] == [(None, "Kim"), (None, "Anna")]
    assert erasures[:1] == before.pop("customer_erasures")
    assert after == before


@pytest.mark.parametrize(
    ("customer", "project", "mark"),
    [(CUSTOMER, "other", ""), (f"{CUSTOMER}0", "gigs", "-2")],
    ids=["project", "customer"],
)
def test_another_project_and_another_customer_stay(customer: str, project: str, mark: str) -> None:
    """The same id in another project is another customer, and an id that begins alike is another too."""
    do_everything(customer=customer, project=project, mark=mark)
    before = everything()
    do_everything()
    assert erase()["rows"] > 0
    after = everything()
    for name, rows in before.items():
        assert {repr(each) for each in rows} <= {repr(each) for each in after[name]}, name


def test_a_reference_that_two_customers_share_is_erased_for_one() -> None:
    """A reference can be a day, on which many have collected a stamp of the same voucher."""
    voucher = create_voucher(**CARD)["id"]
    for customer in ("cus_1", "cus_2"):
        record(voucher=voucher, customer=customer, ref="2027-02-01", stamp=1)
    assert erase("cus_1")["rows"] == 1
    assert sorted(row["customer"] for row in everything()["usage_records"]) == ["cus_2", *pseudonyms()]
    repeated = usage(voucher=voucher, customer="cus_1", ref="2027-02-01", stamp=1)
    assert task_named("usages.record")(request=repeated)["reason"] == "idempotency_conflict"
    assert record(voucher=voucher, customer="cus_3", ref="2027-02-01", stamp=1)["outcome"] == "recorded"


def test_the_request_of_a_completed_card_cannot_be_computed_any_more(
    requests: Requests,
) -> None:
    """Its request id is a digest of the customer's id, the voucher and the reference."""
    recorded = [request for task, request in requests if task == "usages.record"]
    computed = [card_request_id(uuid_of(each["voucher"]), CUSTOMER, each["ref"]) for each in recorded]
    assert sum(each in told(everything()) for each in computed) == 1
    erase()
    assert sum(each in told(everything()) for each in computed) == 0


def test_what_comes_during_an_erasure_belongs_to_a_new_customer() -> None:
    """Its places were counted without those that have the pseudonym already."""
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer="cus_1", subscription="sub_1")
    begun(EraseCustomer(project="gigs", customer="cus_1"))
    redeem(code="OPEN", customer="cus_1", subscription="sub_2")
    redeem(code="UNKNOWN", customer="cus_1", subscription="sub_2")
    apply(customer="cus_1", subscription="sub_2")
    before = everything()
    assert erase("cus_1")["rows"] == 2
    after = everything()
    assert after["invoice_discounts"] == before["invoice_discounts"]
    assert sorted(row["customer"] for row in after["redemptions"]) == ["cus_1", "cus_1", *pseudonyms()]


@pytest.mark.parametrize(
    "leave",
    [
        lambda voucher: redeem(voucher=voucher["id"], customer="cus_1"),
        lambda voucher: reserve(voucher=voucher["id"], customer="cus_1"),
        lambda voucher: record(voucher=voucher["id"], customer="cus_1"),
        lambda voucher: add_codes(voucher, {"code": "MINE", "customer": "cus_1"}),
    ],
    ids=["discount", "hold", "usage", "code"],
)
def test_an_erasure_waits_for_whoever_decides_about_the_voucher(leave: Callable[[Any], Any]) -> None:
    """A batch counts the customer's places under the voucher's lock."""
    leave(create_voucher(name="Held"))
    with ThreadPoolExecutor(1) as threads:
        with transaction() as session:
            session.execute(text("SELECT FROM vouchers FOR UPDATE"))
            erasing = threads.submit(erase, "cus_1")
            until_somebody_waits(session)
            assert not session.execute(text("SELECT FROM discounts WHERE customer <> 'cus_1'")).all()
        assert erasing.result()["rows"] > 0


def test_a_customer_of_the_same_name_begins_anew() -> None:
    """Places that the erased customer has taken no longer count against that name."""
    create_voucher(code="ONCE", restrictions={"maximumRedemptionsPerCustomer": 1})
    assert redeem(code="ONCE", customer="cus_1")["outcome"] == "accepted"
    assert redeem(code="ONCE", customer="cus_1")["reason"] == "customer_limit_reached"
    erase("cus_1")
    assert redeem(code="ONCE", customer="cus_1")["outcome"] == "accepted"
    erase("cus_1")
    assert len(pseudonyms()) == 2


def test_nobody_can_redeem_a_code_of_an_erased_customer() -> None:
    """It was for that customer alone."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "MINE", "customer": "cus_1"})
    erase("cus_1")
    assert redeem(code="MINE", customer="cus_1")["reason"] == "code_not_for_customer"


def test_an_open_hold_can_be_confirmed_afterwards() -> None:
    """It redeems for the pseudonym."""
    create_voucher(code="OPEN")
    hold = reserve(code="OPEN", customer="cus_1", subscription="sub_1")
    erase("cus_1")
    answer = task_named("redemptions.confirm")(request={"project": "gigs", "hold": hold["id"]})
    assert (answer["outcome"], {answer["customer"]}) == ("accepted", pseudonyms())


def test_a_repeated_confirmation_is_answered_as_before() -> None:
    """It names the hold alone. A conflict would say that the redemption was refused."""
    create_voucher(code="OPEN")
    request = {"project": "gigs", "hold": reserve(code="OPEN", customer="cus_1", subscription="sub_1")["id"]}
    first = task_named("redemptions.confirm")(request=request)
    erase("cus_1")
    before = everything()
    assert task_named("redemptions.confirm")(request=request) == first | {"customer": pseudonyms().pop()}
    assert everything() == before


def test_an_interrupted_erasure_goes_on_with_the_same_pseudonym() -> None:
    """A statement fails in the midst of it."""
    create_voucher(code="OPEN")
    for number in range(5):
        redeem(code="OPEN", customer="cus_1", subscription=f"sub_{number}")
    request = EraseCustomer(project="gigs", customer="cus_1")
    with as_administrator() as session:
        session.execute(text("CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                             "IF OLD.subscription = 'sub_4' THEN RAISE EXCEPTION 'stumbled'; END IF; RETURN NEW; "
                             "END $$"))  # fmt: skip
        session.execute(text("CREATE TRIGGER stumble BEFORE UPDATE ON redemptions FOR EACH ROW "
                             "EXECUTE FUNCTION stumble()"))  # fmt: skip
    try:
        with pytest.raises(Exception, match="stumbled"):
            erase_customer(request, batch_size=1)
    finally:
        with as_administrator() as session:
            session.execute(text("DROP TRIGGER stumble ON redemptions"))
            session.execute(text("DROP FUNCTION stumble()"))
    erase_customer(request, batch_size=2)
    (pseudonym,) = pseudonyms()
    assert {row["customer"] for name in ("redemptions", "discounts") for row in everything()[name]} == {pseudonym}


@pytest.mark.parametrize("compression", [None, "application/x-gzip"])
def test_a_dead_letter_is_of_the_pseudonym(compression: str | None) -> None:
    """In its body, compressed or not, and in the headers that are shown."""
    request = redemption(code="OPEN", customer=CUSTOMER)
    plain = json.dumps([[], {"request": request}, {}]).encode()
    original = Original(
        queue="redemptions",
        headers={"id": "1", "compression": compression, "kwargsrepr": summary({"request": request})},
        body=compress(plain, compression)[0] if compression else plain,
        content_type="application/json",
        content_encoding="utf-8",
    )
    give_up(key=("gigs", "1"), task="redemptions.redeem", original=original, reason="Fault", attempts=3)
    assert erase()["rows"] == 1
    (letter,), (pseudonym,) = everything()["dead_letters"], pseudonyms()
    body = decompress(letter["body"], compression) if compression else letter["body"]
    assert json.loads(body)[1]["request"] == request | {"customer": pseudonym}
    assert letter["digest"] == sha256(letter["body"]).digest()
    assert (pseudonym in str(letter["headers"]), "cus " in str(letter["headers"])) == (True, False)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "binary"])
def test_a_dead_letter_keeps_its_encoding(encoding: str) -> None:
    """Its retry decodes the body by it."""
    request, codec = redemption(code="OPEN", customer=CUSTOMER), "utf-8" if encoding == "binary" else encoding
    original = Original(
        queue="redemptions",
        headers={"id": "1"},
        body=json.dumps([[], {"request": request}, {}], ensure_ascii=False).encode(codec),
        content_type="application/json",
        content_encoding=encoding,
    )
    give_up(key=("gigs", "1"), task="redemptions.redeem", original=original, reason="Fault", attempts=3)
    assert erase()["rows"] == 1
    (letter,), (pseudonym,) = everything()["dead_letters"], pseudonyms()
    assert json.loads(letter["body"].decode(codec))[1]["request"] == request | {"customer": pseudonym}


def test_an_erasure_that_was_interrupted_just_before_its_end_is_not_forgotten() -> None:
    """Its repetition finds nothing left, but a repeated record of usage is only known by the erasure's key."""
    voucher = create_voucher(**CARD)["id"]
    sent = usage(voucher=voucher, customer="cus_1", stamp=1)
    task_named("usages.record")(request=sent)
    request = EraseCustomer(project="gigs", customer="cus_1")
    erasure = begun(request)
    assert sum(_run(step, erasure=erasure) for step in _steps(erasure, batch_size=10)) == 1
    assert erase("cus_1")["rows"] == 0
    assert task_named("usages.record")(request=sent)["reason"] == "idempotency_conflict"


def test_a_copy_that_finds_nothing_left_does_not_forget_the_erasure_of_another() -> None:
    """A message that is delivered twice runs at the same time."""
    voucher = create_voucher(**CARD)["id"]
    sent = usage(voucher=voucher, customer="cus_1", stamp=1)
    task_named("usages.record")(request=sent)
    request = EraseCustomer(project="gigs", customer="cus_1")
    first, second = begun(request), begun(request)
    assert first == second
    rows = sum(_run(step, erasure=second) for step in _steps(second, batch_size=10))
    for erasure, count in ((first, 0), (second, rows)):
        assert run_in_transaction(partial(_end, erasure=erasure, key=None, rows=count))["rows"] == count
        assert task_named("usages.record")(request=sent)["reason"] == "idempotency_conflict"
    assert [row["customer"] for row in everything()["customer_erasures"]] == [None]
