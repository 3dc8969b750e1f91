"""Erasing a customer: a pseudonym is in the place of the id everywhere, and nothing else changes."""

import json
import re
from hashlib import sha256
from typing import Any

import pytest
from kombu.compression import compress, decompress
from sqlalchemy import select, text

from models.base import Base
from tasks.customers.erase import erase_customer
from tasks.customers.messages import EraseCustomer
from tasks.wire.dead_letters import give_up
from tests.support.holds import reserve
from tests.support.requests import (
    add_codes,
    create_voucher,
    invoice,
    redeem,
    redemption,
    usage,
)
from tests.support.reversals import refund
from tests.support.tasks import task_named
from worker.database import transaction
from worker.intake.delivery import Original
from worker.intake.shown_request import summary

pytestmark = pytest.mark.usefixtures("database")

# With characters that JSON escapes in more than one way.
CUSTOMER = 'cus "é\\1'
DIGEST = re.compile("usage-[0-9a-f]{64}")
CARD = {"stampCard": {"stamps": 2}}


def erase(customer: str = CUSTOMER, *, project: str = "gigs", **fields: Any) -> dict[str, Any]:
    """Erase a customer by the task, and return the answer."""
    answer: dict[str, Any] = task_named("customers.erase")(request={"project": project, "customer": customer, **fields})
    return answer


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table."""
    with transaction() as session:
        return {
            table.name: [dict(row) for row in session.execute(select(*table.c)).mappings()]
            for table in Base.metadata.sorted_tables
        }


def told(rows: object) -> str:
    """Return rows as text, in which texts of JSON and of messages are spelt as in Python."""
    return repr(rows)


def pseudonyms() -> set[str]:
    """Return the pseudonyms of all erasures."""
    return {row["pseudonym"] for row in everything()["customer_erasures"]}


@pytest.fixture
def requests() -> list[tuple[str, dict[str, Any]]]:
    """Let the customer do all that leaves a row, and return the requests."""
    voucher = create_voucher(code="OPEN", restrictions={"maximumRedemptionsPerCustomer": 4})["id"]
    card = create_voucher(name="Card", **CARD)["id"]
    add_codes({"project": "gigs", "id": voucher}, {"code": "MINE", "customer": CUSTOMER}, requestId="codes-1")
    mine = {"customer": CUSTOMER}
    sent = [
        ("redemptions.redeem", redemption(code="OPEN", subscription="sub_a", **mine)),
        ("redemptions.redeem", redemption(code="MINE", subscription="sub_b", **mine)),
        ("redemptions.redeem", redemption(code="UNKNOWN", subscription="sub_a", **mine)),
        ("redemptions.reserve", redemption(code="OPEN", subscription="sub_c", **mine)),
        ("redemptions.reserve", redemption(code="OPEN", subscription="sub_d", **mine)),
        ("usages.record", usage(voucher=card, stamp=1, **mine)),
        ("usages.record", usage(voucher=card, stamp=1, **mine)),
        ("usages.record", usage(voucher=voucher, amount=500, currency="USD", **mine)),
        ("billing.apply", invoice(invoice="inv_a", subscription="sub_a", **mine)),
    ]
    for task, request in sent:
        answer = task_named(task)(request=request)
        if request.get("subscription") == "sub_d":
            task_named("redemptions.confirm")(request={"project": "gigs", "hold": answer["id"]})
    refund("inv_a", "refund-1", base=8000)
    task_named("subscriptions.end")(request={"project": "gigs", "subscription": "sub_b", "requestId": "end-1"})
    task_named("vouchers.generate_codes")(
        request={"project": "gigs", "voucher": voucher, "count": 2, "customer": CUSTOMER, "requestId": "gen-1"}
    )
    return sent


def test_the_id_is_in_no_row_afterwards(requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Of any table, in any column, in any spelling."""
    assert told(everything()).count(repr(CUSTOMER)[1:-1]) > len(requests)
    answer = erase()
    assert (answer["outcome"], answer["rows"] > len(requests)) == ("erased", True)
    rows = everything()
    assert not [name for name, found in rows.items() if CUSTOMER in told(found) or repr(CUSTOMER)[1:-1] in told(found)]
    stored = "".join(json.dumps(found, default=str) for found in rows.values())
    assert "cus " not in stored
    assert len(pseudonyms()) == 1


def test_nothing_but_the_id_changes(requests: list[tuple[str, dict[str, Any]]]) -> None:  # noqa: ARG001 - leaves rows
    """Amounts, counts, ids, instants and answers stay; the audit is clean, as after every test."""
    before = everything()
    erase()
    after = everything()
    (pseudonym,) = pseudonyms()
    for name in before.keys() - {"customer_erasures"}:
        assert shown(before[name], pseudonym) == shown(after[name], pseudonym), name


def shown(rows: list[dict[str, Any]], pseudonym: str) -> list[str]:
    """Return rows in which the id and the pseudonym are the same, without fingerprints and the digests of cards."""
    kept = (repr({name: each for name, each in row.items() if name != "fingerprint"}) for row in rows)
    named = (each.replace(pseudonym, "CUSTOMER").replace(repr(CUSTOMER)[1:-1], "CUSTOMER") for each in kept)
    return sorted(DIGEST.sub("usage-", each) for each in named)


def test_a_repeated_request_has_no_effect_and_brings_no_row_back(requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Each is a conflict now: the stored fingerprint is no longer that of the body."""
    erase()
    before = everything()
    for task, request in requests:
        assert task_named(task)(request=request)["reason"] == "idempotency_conflict", task
    assert everything() == before


def test_a_repetition_finds_nothing_left(requests: list[tuple[str, dict[str, Any]]]) -> None:  # noqa: ARG001
    """It keeps nothing of the second erasure."""
    first = erase(actor="Kim")
    before = everything()
    assert first["rows"] > 0
    assert erase()["rows"] == 0
    assert everything() == before
    (erasure,) = before["customer_erasures"]
    assert (erasure["customer"], erasure["actor"]) == (None, "Kim")


def test_other_projects_and_customers_stay() -> None:
    """The same id in another project is another customer."""
    create_voucher(code="OPEN")
    create_voucher(code="OPEN", project="other")
    redeem(code="OPEN", customer="cus_1", subscription="sub_1")
    redeem(code="OPEN", customer="cus_10", subscription="sub_10")
    redeem(code="OPEN", customer="cus_1", subscription="sub_1", project="other")
    assert erase("cus_1")["rows"] == 2
    customers = {(row["project"], row["customer"]) for row in everything()["redemptions"]}
    assert customers == {("gigs", pseudonyms().pop()), ("gigs", "cus_10"), ("other", "cus_1")}


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


def test_an_interrupted_erasure_goes_on_with_the_same_pseudonym() -> None:
    """A statement fails in the midst of it."""
    create_voucher(code="OPEN")
    for number in range(5):
        redeem(code="OPEN", customer="cus_1", subscription=f"sub_{number}")
    request = EraseCustomer(project="gigs", customer="cus_1")
    with transaction() as session:
        session.execute(text("CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                             "IF OLD.subscription = 'sub_4' THEN RAISE EXCEPTION 'stumbled'; END IF; RETURN NEW; "
                             "END $$"))  # fmt: skip
        session.execute(text("CREATE TRIGGER stumble BEFORE UPDATE ON redemptions FOR EACH ROW "
                             "EXECUTE FUNCTION stumble()"))  # fmt: skip
    try:
        with pytest.raises(Exception, match="stumbled"):
            erase_customer(request, batch_size=1)
    finally:
        with transaction() as session:
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
