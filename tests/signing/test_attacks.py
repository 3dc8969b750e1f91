"""Messages that no key has signed which may send them have no effect, fail clearly, and are counted."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from time import time
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.busy_child import REDEEM
from tests.end_to_end.database import poisoned, row_counts, rows
from tests.end_to_end.programs import Worker, scrip
from tests.end_to_end.raw_messages import publish, put_envelope
from tests.end_to_end.vouchers import created_voucher
from tests.metrics.counting import counts_in
from tests.signing.conftest import Signed
from tests.signing.putting import body_of, put, without_key
from tests.signing.signing import ED25519, HEADER, Key, SigningSender, write_secret, write_signers
from tests.support.requests import redemption, voucher_body

DAY = 86_400
LATER = "2999-01-01T00:00:00+00:00"


ANOTHERS = body_of(redemption(project="acme", code="NONE"))
OWN = body_of(redemption(code="NONE"))
BULK = body_of({"requests": [redemption(code="NONE"), redemption(project="acme", code="NONE")]})


def forger(signed: Signed) -> Key:
    """Return the key of acme as somebody uses it who knows the public part only."""
    key = Key(signed.acme.name)
    key.raw = signed.acme.public
    return key


def redelivered(signed: Signed) -> str:
    """Put an unsigned message that says of itself that a worker had it before."""
    task_id = str(uuid4())
    delivered = {"exchange": "", "routing_key": "redemptions", "redelivered": True}
    put_envelope(signed.client, {"headers": {"id": task_id}, "body": OWN, "delivery_info": delivered})
    return task_id


def put_version_1(signed: Signed, key: Key | None, *, signed_body: str | None = None) -> str:
    """Put a message of version 1 of Celery's protocol, and return its id."""
    fields = {"task": REDEEM, "id": str(uuid4()), "args": [], "kwargs": json.loads(OWN)[1], "retries": 0}
    body = json.dumps(fields)
    headers = {}
    if key is not None:
        signed_ = (body if signed_body is None else signed_body).encode()
        headers[HEADER] = key.header(fields=fields, queue="redemptions", body=signed_)
    publish(signed.client, body=body, headers=headers)
    return str(fields["id"])


Attack = Callable[[Signed], str]
ATTACKS: dict[str, tuple[str, Attack]] = {
    "unsigned": ("is not signed", lambda signed: put(signed, None, body=OWN)),
    "by a key of the same name": ("not that of this message", lambda signed: put(signed, Key("gigs-1"), body=OWN)),
    "by an unknown key": ("not known", lambda signed: put(signed, Key("gigs-2"), body=OWN)),
    "by the public key": ("another algorithm", lambda signed: put(signed, forger(signed), body=ANOTHERS)),
    "an altered body": ("not that", lambda signed: put(signed, signed.gigs, body=OWN, said={"body": ANOTHERS})),
    "of another task": (
        "not that",
        lambda signed: put(signed, signed.gigs, body=OWN, said={"fields": {"task": "redemptions.validate"}}),
    ),
    "of another id": ("not that", lambda signed: put(signed, signed.gigs, body=OWN, said={"fields": {"id": "x"}})),
    "of another queue": (
        "not that",
        lambda signed: put(signed, signed.gigs, body=OWN, queue="celery", said={"queue": "redemptions"}),
    ),
    "with a time limit": (
        "not that",
        lambda signed: put(
            signed, signed.gigs, body=OWN, sent={"timelimit": [1, None]}, said={"fields": {"timelimit": None}}
        ),
    ),
    "too old": ("too long ago", lambda signed: put(signed, signed.gigs, body=OWN, issued=int(time()) - DAY - 60)),
    "from the future": ("in the future", lambda signed: put(signed, signed.gigs, body=OWN, issued=int(time()) + 900)),
    "of another project": ("of this project", lambda signed: put(signed, signed.gigs, body=ANOTHERS)),
    "of another project in an item": (
        "of this project",
        lambda signed: put(signed, signed.gigs, task="redemptions.redeem_many", body=BULK),
    ),
    "of no project": (
        "of this project",
        lambda signed: put(signed, signed.gigs, task="expiry.sweep", queue="sweeps", body=body_of({})),
    ),
    "of a task that is not the key's": (
        "this task",
        lambda signed: put(
            signed, signed.acme, task="vouchers.create", queue="admin", body=body_of(voucher_body(project="acme"))
        ),
    ),
    "unsigned and due later": ("is not signed", lambda signed: put(signed, None, body=OWN, sent={"eta": LATER})),
    "unsigned and redelivered": ("is not signed", redelivered),
    "unsigned of version 1": ("is not signed", lambda signed: put_version_1(signed, None)),
    "altered of version 1": ("not that", lambda signed: put_version_1(signed, signed.gigs, signed_body="{}")),
}


def refused(signed: Signed) -> float:
    """Return how many messages were refused until now."""
    counts = counts_in(Path(signed.worker.environment["SCRIP_METRICS_FOLDER"]))
    return sum(value for (name, *_), value in counts.items() if name == "scrip_messages_refused_total")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_message_that_is_not_signed_as_it_must_be_has_no_effect(signed: Signed, attack: str) -> None:
    """It fails at once with a text that says why, is not kept, and is counted once."""
    text, put_message = ATTACKS[attack]
    before, since = refused(signed), len(signed.worker.log)
    outcome = signed.client.outcome(put_message(signed))
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "NotAllowed")
    (said,) = outcome["result"]["exc_message"]
    assert said.count(text) == 1, said
    signed.worker.wait_until_acknowledged()
    assert row_counts(signed.url) == {}
    assert rows(signed.url, "SELECT * FROM dead_letters") == rows(signed.url, "SELECT * FROM attempts") == []
    signed.worker.eventually(lambda: refused(signed) == before + 1)
    assert "NONE" not in signed.worker.log[since:]
    assert "Traceback" not in signed.worker.log[since:]


def test_celerys_own_tasks_are_refused_too(signed: Signed) -> None:
    """Celery itself would run them, and they can run any task."""
    inner = [{"task": REDEEM, "args": [], "kwargs": {"request": redemption(code="NONE")}, "options": {}}, [[]]]
    body = json.dumps([inner, {}, {}])
    task_id = put(signed, None, task="celery.starmap", queue="celery", body=body)
    assert signed.client.outcome(task_id)["result"]["exc_type"] in {"NotAllowed", "NotRegistered"}
    assert row_counts(signed.url) == {}


@pytest.mark.slow
def test_signed_messages_are_answered_beside_others(signed: Signed) -> None:
    """Of both versions of the protocol, of both algorithms, due now or later, with a queue or without one."""
    assert signed.client.outcome(put_version_1(signed, signed.gigs))["result"]["reason"] == "voucher_not_found"
    acmes = put(signed, signed.acme, body=ANOTHERS)
    assert signed.client.outcome(acmes)["result"]["project"] == "acme"
    with SigningSender(signed.gigs):
        voucher = created_voucher(signed.client)
        options: list[dict[str, Any]] = [{}, {"countdown": 1}, {"expires": 60}, {"time_limit": 60}, {"queue": "celery"}]
        sent = [signed.client.send(REDEEM, redemption(voucher=voucher), **each) for each in options]
    bad = [put(signed, None, body=OWN) for _ in range(5)]
    assert sorted(signed.client.answer(each)["redemptionNumber"] for each in sent) == [1, 2, 3, 4, 5]
    assert {signed.client.outcome(each)["status"] for each in bad} == {"FAILURE"}


def test_a_signed_message_that_is_sent_again_has_one_effect(signed: Signed) -> None:
    """Its signature is still good, and its answer is the first one."""
    with SigningSender(signed.gigs):
        voucher = created_voucher(signed.client)
    request = redemption(voucher=voucher)
    task_id = put(signed, signed.gigs, body=body_of(request))
    first = signed.client.answer(task_id)
    fields = {"id": task_id, "task": REDEEM}
    header = signed.gigs.header(fields=fields, queue="redemptions", body=body_of(request).encode())
    for _ in range(3):
        put_envelope(signed.client, {"headers": {**fields, HEADER: header}, "body": body_of(request)})
    signed.worker.wait_until_acknowledged()
    assert signed.client.answer(task_id) == first
    assert rows(signed.url, "SELECT redemptions FROM vouchers") == [(1,)]


def test_a_forged_message_replaces_no_result(signed: Signed) -> None:
    """Whatever project it names, since nobody knows whose it is."""
    task_id = put(signed, signed.gigs, body=body_of({"project": "gigs"}))
    first = signed.client.outcome(task_id)
    before = refused(signed)
    put(signed, None, body=OWN, sent={"id": task_id})
    signed.worker.eventually(lambda: refused(signed) == before + 1)
    signed.worker.wait_until_acknowledged()
    assert signed.client.broker.state(task_id) == first


def test_an_expired_message_of_another_project_replaces_no_result(signed: Signed) -> None:
    """Celery itself would store that the task was revoked."""
    task_id = put(signed, signed.gigs, body=body_of({"project": "gigs"}))
    first = signed.client.outcome(task_id)
    assert first["result"]["exc_type"] == "InvalidRequest"
    since = len(signed.worker.log)
    put(signed, signed.acme, body=ANOTHERS, sent={"id": task_id, "expires": "2020-01-01T00:00:00+00:00"})
    signed.worker.eventually(lambda: "other projects have tasks with the same ids" in signed.worker.log[since:])
    signed.worker.wait_until_acknowledged()
    assert signed.client.broker.state(task_id) == first


def test_what_follows_a_message_is_not_signed(signed: Signed) -> None:
    """Otherwise a sender could have any task signed by Scrip."""
    callback: dict[str, Any] = {
        "task": "vouchers.create",
        "args": [],
        "kwargs": {"request": voucher_body(project="acme")},
    }
    callback |= {"options": {"queue": "admin"}, "immutable": True, "subtask_type": None}
    body = body_of(redemption(code="NONE"), callbacks=[callback], errbacks=None, chain=None, chord=None)
    signed.client.outcome(put(signed, signed.gigs, body=body))
    signed.worker.wait_until_acknowledged()
    assert rows(signed.url, "SELECT * FROM vouchers") == []


def test_a_key_is_rotated_without_a_restart(signed: Signed) -> None:
    """Both are good for a while, and then the new one alone. A broken file changes nothing."""
    new = Key("gigs-2", ED25519)

    def outcomes() -> list[str]:
        return [signed.client.outcome(put(signed, key, body=OWN))["status"] for key in (signed.gigs, new)]

    write_signers(signed.file, signed.gigs, new)
    assert outcomes() == ["SUCCESS", "SUCCESS"]
    write_secret(signed.file, '{"keys": [')
    assert outcomes() == ["SUCCESS", "SUCCESS"]
    write_signers(signed.file, new)
    assert outcomes() == ["FAILURE", "SUCCESS"]


@pytest.mark.slow
def test_a_dead_letter_is_sent_again_by_scrips_own_key(signed: Signed, tmp_path: Path) -> None:
    """The first signature may be too old. Without a key of its own, `scrip` sends nothing."""
    with SigningSender(signed.gigs):
        voucher = created_voucher(signed.client)
        with poisoned(signed.url, customer="cus_poison"):
            sent = signed.client.send(REDEEM, redemption(voucher=voucher, customer="cus_poison"), expires=DAY)
            assert signed.client.outcome(sent)["result"]["exc_type"] == "GivenUp"
    keyless = Worker(folder=tmp_path, environment=without_key(signed.worker.environment))
    with pytest.raises(CalledProcessError) as failed:
        scrip(keyless, "dead-letters", "retry", sent)
    text = "the message cannot be signed: SCRIP_SIGNERS_FILE is set, so SCRIP_SIGNING_KEY_FILE is required"
    assert text in failed.value.stderr
    assert rows(signed.url, "SELECT task_id FROM dead_letters") == [(sent,)]
    scrip(signed.worker, "dead-letters", "retry", sent)
    signed.worker.eventually(lambda: signed.client.broker.state(sent)["status"] == "SUCCESS")
    assert rows(signed.url, "SELECT redemptions FROM vouchers") == [(1,)]
