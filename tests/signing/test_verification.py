"""A message is answered only as its key has signed it, in time, and for a task and a project of the key."""

import json
from pathlib import Path
from time import time
from typing import Any

import pytest

from tests.signing.signing import ED25519, HMAC, Key, write_signers
from worker.signing.signers import SignersFile
from worker.signing.statement import claim_of
from worker.signing.verification import AHEAD_SECONDS_MAX, SENTENCES, VerificationFailure, verification_failure

BODY = json.dumps([[], {"request": {"project": "gigs"}}, {}]).encode()
DAY = 86_400
FIELDS = {"task": "redemptions.redeem", "id": "task-1"}
PAST, AHEAD = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


@pytest.fixture(params=[HMAC, ED25519])
def key(request: pytest.FixtureRequest) -> Key:
    """Return a key of each algorithm."""
    return Key("shop-1", request.param, tasks=["redemptions.*", "billing.apply"])


def verdict(
    folder: Path,
    key: Key,
    *,
    header: Any,
    fields: dict[str, Any] | None = None,
    queue: str = "redemptions",
    body: bytes | str = BODY,
    encoding: object = "utf-8",
    projects: frozenset[str] = frozenset({"gigs"}),
    due: float | None = None,
) -> VerificationFailure | None:
    """Return the verdict on a message, by a file that has that key and another."""
    headers = FIELDS if fields is None else fields
    claim = claim_of(
        headers={**headers, "scrip-signature": header}, fields=headers, queue=queue, body=body, encoding=encoding
    )
    signers = SignersFile(str(write_signers(folder / "signers.json", key, Key("other-1")))).current()
    return verification_failure(claim, projects=projects, due=due, signers=signers, age_seconds_max=DAY)


def test_a_message_as_it_was_signed_is_answered(tmp_path: Path, key: Key) -> None:
    """With each field that the signature is over."""
    options = {"eta": AHEAD, "expires": AHEAD, "timelimit": [9, 8], "retries": 2, "ignore_result": True}
    for fields in (FIELDS, FIELDS | options, FIELDS | {"timelimit": [None, 8], "retries": None}):
        header = key.header(fields=fields, queue="redemptions", body=BODY)
        assert verdict(tmp_path, key, header=header, fields=fields) is None
        assert verdict(tmp_path, key, header=header, fields=fields, body=BODY.decode()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"fields": FIELDS | {"task": "redemptions.reserve"}},
        {"fields": FIELDS | {"id": "task-2"}},
        {"queue": "celery"},
        {"body": BODY.replace(b"gigs", b"gig")},
        {"fields": FIELDS | {"eta": AHEAD}},
        {"fields": FIELDS | {"expires": AHEAD}},
        {"fields": FIELDS | {"timelimit": [1, None]}},
        {"fields": FIELDS | {"timelimit": [None, 1]}},
        {"fields": FIELDS | {"retries": 1}},
        {"fields": FIELDS | {"ignore_result": True}},
    ],
    ids=str,
)
def test_a_message_that_was_altered_or_moved_is_forged(tmp_path: Path, key: Key, changed: dict[str, Any]) -> None:
    """Everything that decides what happens to a message is signed."""
    header = key.header(fields=FIELDS, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=header, **changed) is VerificationFailure.FORGED


@pytest.mark.parametrize("change", ["key", "algorithm", "time", "value", "length"])
def test_a_header_that_was_altered_is_refused(tmp_path: Path, key: Key, change: str) -> None:
    """Each of its parts."""
    parts = key.header(fields=FIELDS, queue="redemptions", body=BODY).split(";")
    match change:
        case "key":
            parts[1] = "other-1"
        case "algorithm":
            parts[2] = HMAC if key.algorithm == ED25519 else ED25519
        case "time":
            parts[3] = str(int(parts[3]) - 1)
        case "value":
            parts[4] = ("B" if parts[4].startswith("A") else "A") + parts[4][1:]
        case _:
            parts[4] = parts[4][:-4]
    wanted = {VerificationFailure.FORGED}
    if change in {"key", "algorithm"}:
        wanted.add(VerificationFailure.WRONG_ALGORITHM)
    assert verdict(tmp_path, key, header=";".join(parts)) in wanted


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """Everybody knows it, and could sign by HMAC if the sender chose the algorithm."""
    key = Key("shop-1", ED25519)
    forger = Key("shop-1", HMAC)
    forger.raw = key.public
    for said in (HMAC, ED25519):
        header = forger.header(fields=FIELDS, queue="redemptions", body=BODY, algorithm=said)
        assert verdict(tmp_path, key, header=header) in {
            VerificationFailure.WRONG_ALGORITHM,
            VerificationFailure.FORGED,
        }


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1",
        7,
        ["v1"],
        {},
        b"v1;a;b;1;c",
        "v2;{rest}",
        "v1;a b;{rest}",
        "{whole};",
        " {whole}",
        "{whole}\n",
        "{whole}é",
    ],
    ids=repr,
)
def test_a_header_of_another_form_is_unreadable(tmp_path: Path, key: Key, header: Any) -> None:
    """Whatever a program has written there."""
    whole = key.header(fields=FIELDS, queue="redemptions", body=BODY)
    written = header.format(whole=whole, rest=whole.partition(";")[2]) if isinstance(header, str) else header
    assert verdict(tmp_path, key, header=written) is VerificationFailure.UNREADABLE


@pytest.mark.parametrize(
    "changed",
    [
        {"fields": FIELDS | {"timelimit": [1.5, None]}},
        {"fields": FIELDS | {"retries": True}},
        {"fields": FIELDS | {"ignore_result": "yes"}},
        {"fields": FIELDS | {"eta": 7}},
        {"encoding": "utf-7"},
        {"encoding": "utf-16"},
        {"body": b'{"args": [], "kwargs": {}}'},
    ],
    ids=str,
)
def test_what_could_be_read_in_two_ways_is_unreadable(tmp_path: Path, key: Key, changed: dict[str, Any]) -> None:
    """An encoding of the body, a mixture of two versions of the protocol, and values of another kind."""
    header = key.header(fields=FIELDS, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=header, **changed) is VerificationFailure.UNREADABLE


def test_an_unsigned_message_and_one_of_an_unknown_key_are_refused(tmp_path: Path, key: Key) -> None:
    """Whatever else they have."""
    assert verdict(tmp_path, key, header=None) is VerificationFailure.UNSIGNED
    stranger = Key("stranger-1").header(fields=FIELDS, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=stranger) is VerificationFailure.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("age", "due_in", "failure"),
    [
        (DAY - 60, None, None),
        (DAY + 60, None, VerificationFailure.TOO_OLD),
        (DAY + 60, 0, None),
        (3 * DAY, -DAY - 60, VerificationFailure.TOO_OLD),
        (-AHEAD_SECONDS_MAX + 60, None, None),
        (-AHEAD_SECONDS_MAX - 60, None, VerificationFailure.FROM_THE_FUTURE),
    ],
)
def test_a_signature_has_its_time(
    tmp_path: Path, key: Key, age: int, due_in: int | None, failure: VerificationFailure | None
) -> None:
    """A message that is due later is as young as if it had been signed then."""
    header = key.header(fields=FIELDS, queue="redemptions", body=BODY, issued=int(time()) - age)
    due = None if due_in is None else time() + due_in
    assert verdict(tmp_path, key, header=header, due=due) is failure


@pytest.mark.parametrize(("ends", "failure"), [(PAST, VerificationFailure.KEY_ENDED), (AHEAD, None)])
def test_a_key_that_has_ended_signs_nothing(tmp_path: Path, ends: str, failure: VerificationFailure | None) -> None:
    """Not even what it signed before."""
    key = Key("shop-1", ends=ends)
    header = key.header(fields=FIELDS, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=header) is failure


@pytest.mark.parametrize(
    ("task", "failure"),
    [
        ("redemptions.redeem_many", None),
        ("billing.apply", None),
        ("billing.apply_many", VerificationFailure.TASK_NOT_ALLOWED),
        ("redemptions", VerificationFailure.TASK_NOT_ALLOWED),
        ("vouchers.create", VerificationFailure.TASK_NOT_ALLOWED),
    ],
)
def test_a_key_sends_its_tasks_only(tmp_path: Path, key: Key, task: str, failure: VerificationFailure | None) -> None:
    """By name, or by a prefix that ends at a dot."""
    fields = FIELDS | {"task": task}
    header = key.header(fields=fields, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=header, fields=fields) is failure


@pytest.mark.parametrize(
    ("allowed", "projects", "failure"),
    [
        (["gigs", "acme"], {"acme", "gigs"}, None),
        (["gigs"], {"acme", "gigs"}, VerificationFailure.PROJECT_NOT_ALLOWED),
        (["gigs"], {"*"}, VerificationFailure.PROJECT_NOT_ALLOWED),
        (["gigs"], set(), VerificationFailure.PROJECT_NOT_ALLOWED),
        (["*"], set(), None),
        (["*"], {"any"}, None),
    ],
)
def test_a_key_sends_for_its_projects_only(
    tmp_path: Path, allowed: list[str], projects: set[str], failure: VerificationFailure | None
) -> None:
    """All that the request names. A request that names none concerns all."""
    key = Key("shop-1", projects=allowed)
    header = key.header(fields=FIELDS, queue="redemptions", body=BODY)
    assert verdict(tmp_path, key, header=header, projects=frozenset(projects)) is failure


def test_each_refusal_has_a_sentence() -> None:
    """Its caller gets it."""
    assert set(SENTENCES) == set(VerificationFailure)
